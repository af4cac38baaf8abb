/**
 * Files that no row knows: left by a crash between a rename and its row, or by the loss of the index. Each is hashed; it is
 * adopted if it is what its name says and there is space, and removed otherwise. Runs after start-up, in the background. An
 * adopted file is private unless its download is known to have been public, since nothing else tells who may see it.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Digest } from '../../content/digest.ts'
import type { Description } from '../../content/manifest.ts'
import { merkleRoot } from '../../content/merkle.ts'
import type { Logger } from '../../log.ts'
import type { Entries } from '../entries.ts'
import { makeSpace, type QuotaDeps } from '../quota.ts'
import type { Disk } from './disk.ts'
import type { StoreFiles } from './files.ts'
import type { FsLayout } from './layout.ts'
import type { PartialRow } from './index-rows.ts'
import type { HashedFile } from './reader.ts'
import { hashOrphan, type Reconciled } from './reconcile.ts'

export interface AdoptDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly clock: Clock
  readonly log: Logger
  readonly entries: Entries
  readonly quota: QuotaDeps
  readonly disk: Disk
}

export async function adoptOrphans(
  deps: AdoptDeps,
  { orphans, partials }: Pick<Reconciled, 'orphans' | 'partials'>,
  signal: AbortSignal,
): Promise<void> {
  if (orphans.length === 0) return
  const rows = new Map(partials.map((row) => [row.geometry.digest, row]))
  let adopted = 0
  for (const digest of orphans) {
    if (signal.aborted) return // the next start goes on
    if (await adoptOne(deps, { digest, row: rows.get(digest), signal })) adopted += 1
  }
  deps.log.info('store.orphans', { found: orphans.length, adopted })
}

async function adoptOne(
  deps: AdoptDeps,
  orphan: {
    digest: Digest
    row: PartialRow | undefined
    signal: AbortSignal
  },
): Promise<boolean> {
  const { entries, clock, log } = deps
  const { digest, row, signal } = orphan
  let found: HashedFile | undefined
  try {
    found = await hashOrphan(deps, digest, signal)
  } catch (error) {
    // Unreadable now: leave it to the next start.
    if (!signal.aborted) log.debug('store.orphan-unreadable', { digest, reason: String(error) })
    return false
  }
  if (entries.has(digest)) return false // stored again meanwhile
  if (found === undefined || !makeSpace(deps.quota, found.size)) {
    deps.disk.writer.remove(digest)
    return false
  }
  const nowMs = clock.epochMs()
  const visibility = row?.visibility ?? 'private'
  const { size, mark } = found
  const times = { addedAtMs: nowMs, usedAtMs: nowMs }
  const entry = { digest, size, visibility, retention: 'cache', pinned: false, ...times } as const
  deps.disk.adopt({ ...entry, mark }, row && describedBy(row))
  return true
}

function describedBy({ geometry, leaves }: PartialRow): Description {
  return { manifest: { ...geometry, root: merkleRoot(leaves) }, leaves }
}
