/**
 * What became of a package's versions from one document of its registry to the next. Caches in front of a registry give older
 * documents after newer ones, and gaps: so a version counts as removed only where the registry says that the package was changed
 * since, and names other versions. Pure; runs in packument-worker.ts.
 */
import { gunzipSync } from 'node:zlib'

export interface DocumentBefore {
  /** Its version list (version-lines.ts), gzipped; undefined: there was none. */
  readonly lines: Uint8Array | undefined
  readonly modifiedAtMs: number | undefined
  /** Versions that were taken down. */
  readonly down: readonly string[]
}

export interface VersionChanges {
  /** The document before had them, and this one has not. */
  readonly removed: readonly string[]
  /** They were taken down, and this document has them. */
  readonly restored: readonly string[]
}

interface ChangedDocument {
  readonly versions?: Readonly<Record<string, unknown>>
  readonly time?: unknown
  readonly modified?: unknown
}

export function compareVersions(
  document: ChangedDocument,
  before: DocumentBefore | undefined,
): VersionChanges {
  const { versions = {} } = document
  if (before === undefined || Object.keys(versions).length === 0) return NONE
  const isThere = (version: string): boolean => Object.hasOwn(versions, version)
  const isLater = (modifiedAt(document) ?? -Infinity) > (before.modifiedAtMs ?? Infinity)
  return {
    removed: isLater ? listed(before.lines).filter((version) => !isThere(version)) : [],
    restored: before.down.filter(isThere),
  }
}

const NONE: VersionChanges = { removed: [], restored: [] }

/** Unix time, milliseconds; undefined where the registry does not say. */
export function modifiedAt({ time, modified }: ChangedDocument): number | undefined {
  const inTime: unknown =
    typeof time === 'object' && time !== null && 'modified' in time ? time.modified : undefined
  const text = inTime ?? modified
  const ms = typeof text === 'string' ? Date.parse(text) : NaN
  return Number.isFinite(ms) ? ms : undefined
}

function listed(lines: Uint8Array | undefined): string[] {
  if (lines === undefined) return []
  const [, ...rows] = gunzipSync(lines).toString('utf8').trimEnd().split('\n')
  return rows.map((row) => row.slice(0, row.indexOf('\t'))).filter((version) => version !== '')
}
