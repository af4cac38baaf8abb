/**
 * Start-up: brings the index and the files into agreement, whatever ended the last run. A row without its file is dropped; a
 * row whose file may not have reached the disk is hashed first, or, where the machine still runs that wrote it, when it is first
 * read; a file without a row is hashed and adopted, or deleted when it is not what its name says. No stat per file: 100,000
 * artifacts cost 256 directory listings and one query.
 */
import { join } from 'node:path'
import type { Digest } from '../../content/digest.ts'
import type { Logger } from '../../log.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { StoreFiles } from './files.ts'
import type { EntryRow, FsIndex, PartialRow } from './index-rows.ts'
import { digestOfFileName, isUnresumablePartial, SHARDS, type FsLayout } from './layout.ts'
import { hashFile, type HashedFile } from './reader.ts'

export interface ReconcileDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly index: FsIndex
  readonly log: Logger
  /** Of this start of the machine. */
  readonly bootId: string | undefined
  /** Where the artifacts may be anybody's files: looks at them instead. */
  readonly takeOver?: (() => Promise<EntryRow[]>) | undefined
}

export interface Reconciled {
  /** Rows with their files, least recently used first. */
  readonly entries: EntryRow[]
  readonly partials: PartialRow[]
  /** Complete files that no row knows: to be hashed with `hashOrphan`. */
  readonly orphans: Digest[]
}

export async function reconcile(deps: ReconcileDeps): Promise<Reconciled> {
  const { files, layout } = deps
  // Before its folders are used: they may be links.
  const foreign = await deps.takeOver?.()
  for (const folder of [layout.artifacts, layout.partials, layout.temporary]) {
    await files.makeFolder(folder)
  }
  for (const name of await files.list(layout.temporary)) {
    await files.remove(join(layout.temporary, name))
  }
  const found = foreign && { entries: foreign, orphans: [] }
  const { entries, orphans } = found ?? (await reconcileArtifacts(deps))
  const partials = await reconcilePartials(deps, new Set(orphans))
  return { entries, partials, orphans }
}

/** The same for a folder that may not be written: takes what is sound, repairs nothing. */
export async function findIntact(deps: Omit<ReconcileDeps, 'bootId'>): Promise<Reconciled> {
  const { rows, present } = await compare(deps)
  const entries: EntryRow[] = []
  for (const row of rows.values()) {
    if (!present.has(row.digest)) continue
    if (row.synced) entries.push(row)
    else {
      const found = await hashOrphan(deps, row.digest)
      if (found?.size === row.size) entries.push({ ...row, mark: found.mark })
    }
  }
  return { entries, partials: [], orphans: [] }
}

/** The file of `digest`, or undefined when its content is something else. */
export async function hashOrphan(
  deps: Pick<ReconcileDeps, 'files' | 'layout'>,
  digest: Digest,
  signal?: AbortSignal,
): Promise<HashedFile | undefined> {
  try {
    const found = await hashFile(deps.files, deps.layout.artifact(digest), signal)
    return found.digest === digest ? found : undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function reconcileArtifacts(
  deps: ReconcileDeps,
): Promise<{ entries: EntryRow[]; orphans: Digest[] }> {
  const { index, log } = deps
  const { rows, present, orphans } = await compare(deps)
  const entries: EntryRow[] = []
  const dropped: Digest[] = []
  for (const row of rows.values()) {
    const whole = present.has(row.digest) ? await verifyUnsynced(deps, row) : undefined
    if (whole) entries.push(whole)
    else dropped.push(row.digest)
  }
  if (dropped.length > 0) {
    index.apply({ removed: dropped })
    log.info('store.rows-dropped', { artifacts: dropped.length })
  }
  return { entries, orphans }
}

async function compare({
  files,
  layout,
  index,
}: Pick<ReconcileDeps, 'files' | 'layout' | 'index'>): Promise<{
  /** Least recently used first. */
  rows: ReadonlyMap<Digest, EntryRow>
  /** Rows that have a file. */
  present: ReadonlySet<Digest>
  /** Files that have no row. */
  orphans: Digest[]
}> {
  const rows = new Map<Digest, EntryRow>()
  for (const row of index.entries()) rows.set(row.digest, row)
  const present = new Set<Digest>()
  const orphans: Digest[] = []
  for (const shard of SHARDS) {
    for (const name of await files.list(join(layout.artifacts, shard))) {
      const digest = digestOfFileName(name)
      if (digest === undefined || !name.startsWith(shard)) continue // not ours: leave it alone
      if (rows.has(digest)) present.add(digest)
      else orphans.push(digest)
    }
  }
  return { rows, present, orphans }
}

async function verifyUnsynced(deps: ReconcileDeps, row: EntryRow): Promise<EntryRow | undefined> {
  const { digest, size, synced } = row
  if (synced) return row
  // Most likely as it was written, but a volume may have been lost and mounted anew: without its mark it is hashed when read.
  if (isSameBoot(deps)) return { ...row, mark: undefined }
  try {
    const found = await hashOrphan(deps, digest)
    if (found?.size === size) return { ...row, mark: found.mark }
  } catch (error) {
    // One unreadable file must not keep all the others away; the next start looks at it again.
    deps.log.warn('store.unreadable', { digest, reason: String(error) })
    return undefined
  }
  deps.log.warn('store.corrupt', { digest, found: 'at start-up' })
  await deps.files.remove(deps.layout.artifact(digest))
  return undefined
}

/** The system has not stopped since, so it lacks nothing that it was given, as far as it has kept the disk. */
function isSameBoot({ index, bootId }: ReconcileDeps): boolean {
  return bootId !== undefined && index.boot() === bootId
}

async function reconcilePartials(
  deps: ReconcileDeps,
  orphans: ReadonlySet<Digest>,
): Promise<PartialRow[]> {
  const { files, layout, index } = deps
  const present = new Set<Digest>()
  for (const name of await files.list(layout.partials)) {
    const digest = digestOfFileName(name)
    if (digest !== undefined) present.add(digest)
    else if (isUnresumablePartial(name)) await files.remove(join(layout.partials, name))
  }
  const kept: PartialRow[] = []
  const removedPartials: Digest[] = []
  for (const row of index.partials()) {
    const { digest } = row.geometry
    // A commit that got as far as the rename: the orphan takes its visibility and leaves from this row.
    if (present.delete(digest) || orphans.has(digest)) kept.push(row)
    else removedPartials.push(digest)
  }
  if (removedPartials.length > 0) index.apply({ removedPartials })
  for (const digest of present) await files.remove(layout.partial(digest))
  return kept
}
