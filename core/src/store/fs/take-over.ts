/**
 * Artifacts in a folder that anybody may have written, such as a restored CI cache. Only names and lengths are taken over, as
 * private and without a fingerprint: so the reader hashes each file before it gives a byte of it. Never opens a file, never
 * follows a link, and lets nothing stay that is no plain file where one of ours belongs: a pipe would be waited for, a link read
 * or written through.
 */
import { chmodSync, lstatSync, opendirSync, rmSync, type Dir, type Stats } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { EntryRow } from './index-rows.ts'
import { digestOfFileName, SHARDS, type FsLayout } from './layout.ts'

export interface TakeOverDeps {
  readonly layout: FsLayout
  readonly log: Logger
  readonly clock: Clock
}

export interface TakeOverLimits {
  /** Of one file, bytes: longer ones have no place in the store. */
  readonly maxBytes: number
  /** More files are left out. */
  readonly maxFiles?: number
}

/** Some 200 bytes of memory each. */
const MAX_FILES = 1_000_000
/** Looked at without a pause, well under a millisecond. */
const BATCH = 128
const hasModes = process.platform !== 'win32'

/**
 * Least recently written first.
 * @throws CatalogError STORE_FAILED when a folder is something else, and can't be removed
 */
export async function takeOver(
  { layout, log, clock }: TakeOverDeps,
  { maxBytes, maxFiles = MAX_FILES }: TakeOverLimits,
): Promise<EntryRow[]> {
  const nowMs = clock.epochMs()
  const rows: EntryRow[] = []
  const removed: string[] = []
  const drop = (path: string): void => {
    if (removeAll(path)) removed.push(path)
  }
  const shards = SHARDS.map((shard) => join(layout.artifacts, shard))
  if (!isTrueFolder(layout.artifacts, drop)) shards.length = 0
  let seen = 0
  for (const shard of shards) {
    if (!isTrueFolder(shard, drop)) continue
    for (const name of namesIn(shard)) {
      if (seen >= maxFiles) break
      seen += 1
      if (seen % BATCH === 0) await turn()
      const row = rowOf(shard, name, { maxBytes, nowMs, drop })
      if (row !== undefined) rows.push(row)
    }
  }
  if (removed.length > 0) {
    log.warn('store.foreign-removed', { files: removed.length, first: removed[0] })
  }
  log.info('store.taken-over', { from: layout.artifactsRoot, artifacts: rows.length })
  return rows.sort((a, b) => a.usedAtMs - b.usedAtMs)
}

/** False when there is none; what is none is removed. */
function isTrueFolder(path: string, drop: (path: string) => void): boolean {
  const stats = look(path)
  if (stats === undefined) return false
  if (!stats.isDirectory()) {
    drop(path)
    if (look(path) === undefined) return false
    throw new CatalogError('STORE_FAILED', `${path} is no folder, and can't be removed`)
  }
  if (hasModes && (stats.mode & 0o777) !== 0o700) setMode(path, 0o700)
  return true
}

/** A million names at a time would be a lot of memory. */
function* namesIn(folder: string): Generator<string> {
  let open: Dir
  try {
    open = opendirSync(folder, { bufferSize: 1024 })
  } catch {
    return // it can't be read: nothing in it is of use
  }
  try {
    for (let each = open.readSync(); each !== null; each = open.readSync()) yield each.name
  } finally {
    open.closeSync()
  }
}

function rowOf(
  shard: string,
  name: string,
  deps: { maxBytes: number; nowMs: number; drop: (path: string) => void },
): EntryRow | undefined {
  const digest = digestOfFileName(name)
  if (digest === undefined || !shard.endsWith(name.slice(0, 2))) return undefined // not ours: leave it alone
  const path = join(shard, name)
  const stats = look(path)
  if (stats === undefined) return undefined
  if (!stats.isFile() || stats.size > deps.maxBytes) {
    deps.drop(path)
    return undefined
  }
  // Others must not write to it once it has been hashed; and we must be able to read it.
  if (hasModes && (stats.mode & 0o077) + (~stats.mode & 0o400) !== 0) setMode(path, 0o600)
  const writtenMs = Math.max(0, Math.min(Math.floor(stats.mtimeMs), deps.nowMs))
  return {
    ...{ digest, size: stats.size, visibility: 'private', retention: 'cache', pinned: false },
    ...{ addedAtMs: writtenMs, usedAtMs: writtenMs, synced: true, mark: undefined },
  }
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

function setMode(path: string, mode: number): void {
  try {
    chmodSync(path, mode)
  } catch {
    // Somebody else's: it is hashed whenever it looks different.
  }
}

/** Links themselves, never what they lead to. */
function removeAll(path: string): boolean {
  try {
    rmSync(path, { recursive: true, force: true })
    return true
  } catch {
    return false // what can't be removed is not taken over either
  }
}
