/**
 * Start-up: brings the index and the files into agreement, whatever ended the last run. A row without its file is dropped; a
 * row whose file may not have reached the disk loses its fingerprint, so that the file is hashed before a byte of it is given;
 * a file without a row is hashed and adopted, or deleted when it is not what its name says. No stat per file: 100,000 artifacts
 * cost 256 directory listings and one query.
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
export async function findIntact(deps: ReconcileDeps): Promise<Reconciled> {
  const { entries } = await compare(deps)
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
  const { entries, missing, orphans } = await compare(deps)
  if (missing.length > 0) {
    deps.index.apply({ removed: missing })
    deps.log.info('store.rows-dropped', { artifacts: missing.length })
  }
  return { entries, orphans }
}

async function compare({ files, layout, index }: ReconcileDeps): Promise<{
  /** Rows that have a file, least recently used first. */
  entries: EntryRow[]
  /** Rows that have none. */
  missing: Digest[]
  /** Files that have no row. */
  orphans: Digest[]
}> {
  const rows = [...index.entries()]
  const missing = new Set(rows.map(({ digest }) => digest))
  const orphans: Digest[] = []
  for (const shard of SHARDS) {
    for (const name of await files.list(join(layout.artifacts, shard))) {
      const digest = digestOfFileName(name)
      if (digest === undefined || !name.startsWith(shard)) continue // not ours: leave it alone
      if (!missing.delete(digest)) orphans.push(digest)
    }
  }
  const present = rows.filter(({ digest }) => !missing.has(digest))
  return { entries: present.map(withTrustedMark), missing: [...missing], orphans }
}

/** After a power failure a file may look as its row says, and have none of its bytes: no fingerprint tells that. */
function withTrustedMark(row: EntryRow): EntryRow {
  return row.synced ? row : { ...row, mark: undefined }
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
