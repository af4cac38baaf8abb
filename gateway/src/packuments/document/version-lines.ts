/**
 * The list of a packument's versions in a form that can be searched without parsing: a line of dist-tags as JSON, then one
 * line a version: `version TAB integrity TAB shasum TAB signatures TAB origin TAB tarball`, each empty where it is not known. A
 * search is one pass of a native byte scan. Pure.
 */
import type { GuardedVersion } from '../../guard/guarded-version.ts'

export interface VersionFacts {
  readonly version: string
  /** As upstream wrote them; empty when it did not. */
  readonly integrity: string
  readonly shasum: string
  readonly tarball: string
  /** JSON of `dist.signatures`; empty where there are none, or nobody needs them. */
  readonly signatures: string
}

const MAX_SIGNATURES_CHARS = 2048

/** In one line; empty for what is no list of them. */
export function packSignatures(signatures: unknown): string {
  const isThere = Array.isArray(signatures) && signatures.length > 0
  const text = isThere ? JSON.stringify(signatures) : ''
  return text.length > MAX_SIGNATURES_CHARS ? '' : text
}

export function findVersion(lines: Buffer, version: string): VersionFacts | undefined {
  const found = lines.indexOf(`\n${version}\t`)
  return found === -1 ? undefined : parseLine(lines, found + 1)
}

/** For tarballs whose file name does not tell the version. */
export function findFile(lines: Buffer, file: string): VersionFacts | undefined {
  const found = lines.indexOf(`/${file}\n`)
  if (found === -1) return undefined
  const start = lines.lastIndexOf('\n', found) + 1
  return start === 0 ? undefined : parseLine(lines, start)
}

export function distTagsOf(lines: Buffer): Buffer {
  return lines.subarray(0, lines.indexOf('\n'))
}

/** When it came out, and what shows where it is from: seconds since 1970, `p` with provenance, `s` when signed. */
export function packOrigin({
  publishedAtMs,
  hasProvenance,
  isSigned,
}: Omit<GuardedVersion, 'version'>): string {
  const time = publishedAtMs === undefined ? '' : String(Math.floor(publishedAtMs / 1000))
  return `${time}${hasProvenance ? 'p' : ''}${isSigned ? 's' : ''}`
}

/** Every version with its origin, in the document's order. */
export function listOrigins(lines: Buffer): GuardedVersion[] {
  const [, ...rows] = lines.toString('utf8').trimEnd().split('\n')
  return rows.map((row) => {
    const [version = '', , , , origin = ''] = row.split('\t')
    const seconds = /^-?\d+/.exec(origin)?.[0]
    return {
      version,
      publishedAtMs: seconds === undefined ? undefined : Number(seconds) * 1000,
      hasProvenance: origin.includes('p'),
      isSigned: origin.includes('s'),
    }
  })
}

function parseLine(lines: Buffer, start: number): VersionFacts {
  const end = lines.indexOf('\n', start)
  const fields = lines.toString('utf8', start, end === -1 ? lines.length : end).split('\t')
  const [version = '', integrity = '', shasum = '', signatures = '', , tarball = ''] = fields
  return { version, integrity, shasum, tarball, signatures }
}
