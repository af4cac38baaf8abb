/**
 * `catalog use` and `catalog unuse`: points package managers at the gateway by editing the user's files, and undoes it
 * byte for byte. A file that was changed in between keeps those changes: then only our lines are removed.
 */
import { createHash } from 'node:crypto'
import { CatalogError } from '@catalog-p2p/core'
import { clientFiles } from '../../clients/client-files.ts'
import type { ClientFile, ClientName, ClientContext } from '../../clients/client.ts'
import { undoChanges } from '../../clients/line-edits.ts'
import { readOwnedFile, removeOwnedFile, writeOwnedFile } from '../../clients/owned-file.ts'
import { UneditableText } from '../../clients/registry-format.ts'
import { withStateLock } from './state-lock.ts'
import { readUseState, writeUseState, type UsedFile, type UseState } from './use-state.ts'

/** What happened to one file. */
export interface FileReport {
  readonly path: string
  /**
   * written, or already as wanted; restored: the very bytes from before; removed: the file was ours alone;
   * cleaned: somebody changed it since, only our lines went; kept: other clients still need it.
   */
  readonly action: 'written' | 'unchanged' | 'restored' | 'removed' | 'cleaned' | 'kept'
  /** The registry it names now. */
  readonly registry: string | undefined
  /** Which versions of the client read it, where not all do. */
  readonly reads?: string
  /** What the user should know. */
  readonly note?: string
}

export interface UseDependencies {
  readonly context: ClientContext
  /** Where the state is kept. */
  readonly statePath: string
}

/** What is to be written for a client. */
export interface UseWay {
  /** The gateway's. */
  readonly url: string
  /** In the order in which they are written; undone in the opposite one. */
  readonly files: readonly ClientFile[]
  /** Throws when it conflicts with an earlier `catalog use`. */
  readonly check?: (state: UseState) => void
  /** Throws when these may not be replaced by the gateway; nothing has been changed then. */
  readonly accept?: (replaced: readonly ReplacedRegistry[], state: UseState) => void
}

/** A file that will name the gateway, and the registry it named until now. */
export interface ReplacedRegistry {
  readonly path: string
  /** undefined: none. */
  readonly registry: string | undefined
}

/** @throws CatalogError INVALID_OPTIONS when a file can't be edited safely; nothing has been changed then */
export function useClient(
  deps: UseDependencies,
  client: ClientName,
  url: string,
): Promise<FileReport[]> {
  return useFiles(deps, client, { url, files: clientFiles(client, deps.context) })
}

/** Other files than the client's usual ones. @throws CatalogError INVALID_OPTIONS, as useClient does */
export function useFiles(
  deps: UseDependencies,
  client: ClientName,
  way: UseWay,
): Promise<FileReport[]> {
  return withStateLock(deps.statePath, () => writeFiles(deps, client, way))
}

async function writeFiles(
  deps: UseDependencies,
  client: ClientName,
  { url, files, check, accept }: UseWay,
): Promise<FileReport[]> {
  const state = new Map(await readUseState(deps.statePath))
  check?.(state)
  const plans = []
  // Everything is worked out before anything is written.
  for (const file of files) {
    const plan = await planWrite(file, { client, url, used: state.get(file.path) })
    if (plan !== undefined) plans.push(plan)
  }
  const changed = plans.filter(({ bytes }) => bytes !== undefined)
  const replaced = changed.map(({ path, used }) => ({ path, registry: used.previous ?? undefined }))
  accept?.(replaced, state)
  for (const { path, used } of plans) state.set(path, used)
  await writeUseState(deps.statePath, state)
  const reports: FileReport[] = []
  for (const { path, bytes, isNew, reads } of plans) {
    if (bytes !== undefined) await writeOwnedFile(path, bytes, isNew ? 0o600 : 0o644)
    const action = bytes === undefined ? 'unchanged' : 'written'
    reports.push({ path, action, registry: url, ...(reads !== undefined && { reads }) })
  }
  return reports
}

interface WritePlan {
  readonly path: string
  readonly used: UsedFile
  /** undefined: it is as it should be. */
  readonly bytes: Buffer | undefined
  readonly isNew: boolean
  readonly reads: string | undefined
}

async function planWrite(
  file: ClientFile,
  { client, url, used }: { client: ClientName; url: string; used: UsedFile | undefined },
): Promise<WritePlan | undefined> {
  const now = await readOwnedFile(file.path)
  const found = used === undefined ? undefined : before(now, used)
  const base = found === undefined ? now : found.bytes
  const earlier = found?.exact === true ? used?.written.slice(0, 1) : undefined
  const text = toText(base, file.path)
  const { previous, edited } = edit(file, text, url)
  if (file.write === 'when-set' && previous === undefined) return undefined
  const bytes = Buffer.from(edited.text, 'latin1')
  return {
    path: file.path,
    reads: file.reads,
    isNew: now === undefined,
    bytes: now?.equals(bytes) === true ? undefined : bytes,
    used: {
      clients: [...new Set([...(used?.clients ?? []), client])],
      url,
      previous: previous ?? null,
      original: base?.toString('base64') ?? null,
      written: [...new Set([sha256(bytes), ...(earlier ?? [])])],
      changes: [...edited.changes],
    },
  }
}

function edit(file: ClientFile, text: string, url: string) {
  try {
    return { previous: file.format.registryOf(text), edited: file.format.setRegistry(text, url) }
  } catch (error) {
    if (!(error instanceof UneditableText)) throw error
    throw new CatalogError('INVALID_OPTIONS', `${file.path}: not changed, ${error.message}`, {
      hint: `set the registry to ${url} there by hand`,
      cause: error,
    })
  }
}

/** Undoes what was done for `clients` (undefined: for all). @throws CatalogError STORE_LOCKED, as all here */
export function unuseClients(
  deps: UseDependencies,
  clients: readonly ClientName[] | undefined,
): Promise<FileReport[]> {
  return withStateLock(deps.statePath, () => restoreFiles(deps, clients))
}

async function restoreFiles(
  deps: UseDependencies,
  clients: readonly ClientName[] | undefined,
): Promise<FileReport[]> {
  const state = new Map(await readUseState(deps.statePath))
  const reports: FileReport[] = []
  for (const [path, used] of [...state].reverse()) {
    const left = used.clients.filter((client) => clients !== undefined && !clients.includes(client))
    if (left.length === used.clients.length) continue
    if (left.length > 0) {
      state.set(path, { ...used, clients: left })
      reports.push({ path, action: 'kept', registry: used.url, note: `${left.join(', ')} in use` })
    } else {
      reports.push(await restore(path, used))
      state.delete(path)
    }
    // After each file: what has been undone must not be undone again.
    await writeUseState(deps.statePath, state)
  }
  return reports
}

async function restore(path: string, used: UsedFile): Promise<FileReport> {
  const now = await readOwnedFile(path)
  const { bytes, exact, missing } = before(now, used)
  const registry = used.previous ?? undefined
  if (bytes === undefined) {
    if (now !== undefined) await removeOwnedFile(path)
    return { path, action: now === undefined ? 'unchanged' : 'removed', registry }
  }
  if (now?.equals(bytes) !== true) await writeOwnedFile(path, bytes, 0o600)
  if (exact)
    return { path, action: now?.equals(bytes) === true ? 'unchanged' : 'restored', registry }
  const gone = missing.filter((line) => !line.startsWith('#'))
  const note =
    gone.length === 0
      ? 'it has been changed since; only our lines were taken out'
      : `it has been changed since, and these lines of ours were not found: ${gone.join('; ')}`
  return { path, action: 'cleaned', registry, note }
}

/** The file without our edit: the original bytes if nothing else has changed it, else the present ones minus our lines. */
function before(
  now: Buffer | undefined,
  used: UsedFile,
): { bytes: Buffer | undefined; exact: boolean; missing: readonly string[] } {
  const original = used.original === null ? undefined : Buffer.from(used.original, 'base64')
  if (now === undefined) return { bytes: undefined, exact: true, missing: [] }
  if (used.written.includes(sha256(now))) return { bytes: original, exact: true, missing: [] }
  if (original?.equals(now) === true) return { bytes: now, exact: true, missing: [] }
  const undone = undoChanges(now.toString('latin1'), used.changes)
  const bytes = Buffer.from(undone.text, 'latin1')
  const isEmptied = original === undefined && bytes.length === 0
  return { bytes: isEmptied ? undefined : bytes, exact: false, missing: undone.missing }
}

function toText(bytes: Buffer | undefined, path: string): string {
  if (bytes?.includes(0) === true) {
    throw new CatalogError('INVALID_OPTIONS', `${path}: not a text file (or not UTF-8)`, {
      hint: 'save it as UTF-8',
    })
  }
  return bytes?.toString('latin1') ?? ''
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
