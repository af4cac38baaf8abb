/**
 * Files that no row knows: what a kill left between a rename and its row, or what is left when the index was lost. Each is
 * hashed; it is adopted if it is what its name says and there is room, and removed otherwise. Runs behind start-up. An
 * adopted file is private unless its download is known to have been public: nobody can tell any more who may see it.
 */
import type { Clock } from '../clock.ts'
import type { Digest } from '../content/digest.ts'
import type { Logger } from '../log.ts'
import type { Entries } from './entries.ts'
import type { Disk } from './fs-disk.ts'
import type { StoreFiles } from './fs-files.ts'
import type { FsLayout } from './fs-layout.ts'
import { identify } from './fs-reconcile.ts'

export interface AdoptDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly clock: Clock
  readonly log: Logger
  readonly entries: Entries
  readonly makeRoom: (bytes: number) => boolean
}

export async function adoptOrphans(
  deps: AdoptDeps,
  disk: Disk,
  signal: AbortSignal,
): Promise<void> {
  const { orphans, partials } = disk.found
  if (orphans.length === 0) return
  const rows = new Map(partials.map((row) => [row.manifest.digest, row]))
  let adopted = 0
  for (const digest of orphans) {
    if (signal.aborted) return // the next start goes on
    if (await adoptOne(deps, disk, { digest, row: rows.get(digest), signal })) adopted += 1
  }
  deps.log.info('store.orphans', { found: orphans.length, adopted })
}

async function adoptOne(
  deps: AdoptDeps,
  disk: Disk,
  orphan: {
    digest: Digest
    row: Disk['found']['partials'][number] | undefined
    signal: AbortSignal
  },
): Promise<boolean> {
  const { entries, clock, log } = deps
  const { digest, row, signal } = orphan
  let size: number | undefined
  try {
    size = await identify(deps, digest, signal)
  } catch (error) {
    // Unreadable now: leave it to the next start.
    if (!signal.aborted) log.debug('store.orphan-unreadable', { digest, reason: String(error) })
    return false
  }
  if (entries.has(digest)) return false // stored again meanwhile
  if (size === undefined || !deps.makeRoom(size)) {
    disk.writer.remove(digest)
    return false
  }
  const nowMs = clock.epochMs()
  const visibility = row?.visibility ?? 'private'
  disk.adopt(
    { digest, size, visibility, pinned: false, addedAtMs: nowMs, usedAtMs: nowMs },
    row && { manifest: row.manifest, leaves: row.leaves },
  )
  return true
}
