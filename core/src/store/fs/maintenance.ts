/**
 * What an operator asks of the store: check every byte, make it smaller. Both work through `drop` and `files`, one artifact
 * at a time, and let everything else go on meanwhile.
 */
import type { Digest } from '../../content/digest.ts'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Entries } from '../entries.ts'
import { chooseVictims } from '../evict.ts'
import { evictionOrder } from '../quota.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { FileFingerprint } from './file-fingerprint.ts'
import type { StoreFiles } from './files.ts'
import type { FsLayout } from './layout.ts'
import { PARTIAL_MAX_AGE_MS, type FsPartials } from './partials.ts'
import { hashFile, type HashedFile } from './reader.ts'
import type { PruneReport, VerifyReport } from '../store.ts'

export interface MaintenanceDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly entries: Entries
  readonly log: Logger
  /** What a file that is whole looks like. */
  readonly onRehashed: (digest: Digest, mark: FileFingerprint | undefined) => void
  /** Not on disk yet. */
  readonly isPending: (digest: Digest) => boolean
  readonly drop: (digest: Digest) => void
}

export async function verifyFiles(
  deps: MaintenanceDeps,
  options: { signal?: AbortSignal; onProgress?: (checked: number, total: number) => void },
): Promise<VerifyReport> {
  const corrupt: Digest[] = []
  const entries = [...deps.entries.all()]
  let checked = 0
  let bytes = 0
  for (const { digest, size } of entries) {
    options.signal?.throwIfAborted()
    const found = await findWhole(deps, { digest, size }, options.signal)
    if (isStored(deps, digest)) {
      if (found === undefined) {
        deps.log.warn('store.corrupt', { digest, found: 'by verify' })
        deps.drop(digest)
        corrupt.push(digest)
      } else deps.onRehashed(digest, found.mark)
    }
    checked += 1
    bytes += size
    options.onProgress?.(checked, entries.length)
  }
  return { checked, bytes, corrupt }
}

/** Stale partials first, then artifacts until `targetBytes` remain or only those are left that must stay. */
export function pruneFiles(
  deps: Pick<MaintenanceDeps, 'entries' | 'drop'>,
  partials: FsPartials,
  options: { targetBytes: number; nowMs: number },
): PruneReport {
  const { entries } = deps
  const { targetBytes, nowMs } = options
  let freed = dropStalePartials(partials, nowMs)
  const needed = { quotaBytes: targetBytes, usedBytes: entries.bytes, incomingBytes: 0 }
  const victims =
    chooseVictims(evictionOrder(entries), needed) ??
    Array.from(evictionOrder(entries), ({ digest }) => digest)
  for (const digest of victims) {
    freed += entries.sizeOf(digest) ?? 0
    deps.drop(digest)
  }
  return { removed: victims.length, freed }
}

/** Returns the bytes freed. */
export function dropStalePartials(partials: FsPartials, nowMs: number): number {
  let freed = 0
  for (const { digest, size, updatedAtMs } of [...partials.kept()]) {
    if (nowMs - updatedAtMs >= PARTIAL_MAX_AGE_MS && partials.drop(digest)) freed += size
  }
  return freed
}

async function findWhole(
  { files, layout }: MaintenanceDeps,
  expected: { digest: Digest; size: number },
  signal: AbortSignal | undefined,
): Promise<HashedFile | undefined> {
  try {
    const found = await hashFile(files, layout.artifact(expected.digest), signal)
    return found.digest === expected.digest && found.size === expected.size ? found : undefined
  } catch (error) {
    signal?.throwIfAborted()
    // Unreadable is as good as gone; but a folder closed to us altogether is no reason to drop everything.
    if (['ENOENT', 'EIO'].includes(errnoOf(error) ?? '')) return undefined
    throw new CatalogError('STORE_FAILED', `cannot read ${expected.digest}`, { cause: error })
  }
}

// Evicted, or stored again, while its old file was being read: not corrupt.
function isStored({ entries, isPending }: MaintenanceDeps, digest: Digest): boolean {
  return entries.has(digest) && !isPending(digest)
}
