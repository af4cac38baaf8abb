/**
 * The parts of the file-system store that exist only while its folder is open: index, writer, durability, partials, and how a
 * finished download gets its name. Opening reconciles what the last run left. Never keeps entries: fs-store.ts does.
 */
import type { Clock } from '../../timing/clock.ts'
import { chunkCount } from '../../content/chunking.ts'
import type { Digest } from '../../content/digest.ts'
import type { Description } from '../../content/manifest.ts'
import { HASH_BYTES, merkleRoot } from '../../content/merkle.ts'
import { isDamage } from '../../disk/damage.ts'
import type { Logger } from '../../log.ts'
import type { DiskHealth } from './disk-health.ts'
import { Durability } from './durability.ts'
import type { Entries } from '../entries.ts'
import { statFingerprint, type FileFingerprint, type FileFingerprints } from './file-fingerprint.ts'
import type { StoreFiles } from './files.ts'
import { FsIndex, type EntryRow, type PartialRow } from './index-rows.ts'
import type { FsLayout } from './layout.ts'
import { FsPartials, type CommitRequest } from './partials.ts'
import { findIntact, reconcile, type Reconciled } from './reconcile.ts'
import { takeOver } from './take-over.ts'
import { FsWriter } from './writer.ts'
import { makeSpace, strengthen, type QuotaDeps } from '../quota.ts'

const MAINTENANCE_EVERY_MS = 30_000

export interface DiskDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly health: DiskHealth
  readonly entries: Entries
  readonly marks: FileFingerprints
  readonly quota: QuotaDeps
  /** Of all unfinished downloads from peers. */
  readonly maxClaimedBytes: number
  readonly read: (digest: Digest, range: { start: number; end: number }) => Promise<Uint8Array>
  readonly lost: (digest: Digest) => void
}

export interface Disk {
  readonly index: FsIndex
  readonly writer: FsWriter
  readonly durability: Durability
  readonly partials: FsPartials
  /** Takes in a file that has its name already: visible, recorded, to be synced. */
  adopt(entry: Omit<EntryRow, 'synced'>, description: Description | undefined): void
  /** Its file goes, soon. */
  forget(digest: Digest): void
  /** Until aborted: writes to the index, now and then, what reads and downloads have changed. */
  runMaintenance(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/**
 * Also says what the last run left.
 * @throws CatalogError STORE_LOCKED, STORE_FAILED; Node's errors
 */
export async function openDisk(deps: DiskDeps): Promise<{ disk: Disk; found: Reconciled }> {
  const { index, found } = await openWhole(deps)
  const disk = assemble(deps, index, found)
  for (const row of found.entries) if (!row.synced) disk.durability.add(row.digest)
  return { disk, found }
}

/**
 * For a folder that may not be written, such as a store baked into an image: what is in it can be read, and every write
 * fails as it does on a full disk.
 * @throws CatalogError STORE_FAILED when there is no store in it
 */
export async function openReadOnlyDisk(deps: DiskDeps): Promise<{ disk: Disk; found: Reconciled }> {
  const index = await FsIndex.openReadOnly(deps.layout.database)
  try {
    const found = await findIntact({ ...deps, index })
    return { disk: assemble(deps, index, found), found }
  } catch (error) {
    index.close()
    throw error
  }
}

function assemble(deps: DiskDeps, index: FsIndex, found: Reconciled): Disk {
  const { files, layout, clock, log, entries, marks, health } = deps
  const durability = new Durability({ files, layout, index, marks, clock, log })
  const writer = new FsWriter({
    ...{ clock, files, layout, index, health, durability, marks },
    entryOf: (digest) => entries.get(digest),
    lost: deps.lost,
  })
  const disk: Disk = {
    ...{ index, writer, durability },
    partials: new FsPartials(
      {
        ...{ files, layout, index, health, clock },
        makeSpace: (bytes, retention) => makeSpace(deps.quota, bytes, retention),
        maxClaimedBytes: deps.maxClaimedBytes,
        place: (request) => place(deps, disk, request),
        readCommitted: deps.read,
        progressed: () => writer.onActivity(),
      },
      withoutOrphans(found),
    ),
    adopt: (entry, description) => adopt(deps, disk, { entry, description }),
    forget(digest) {
      durability.removed(digest)
      writer.remove(digest)
    },
    runMaintenance: (signal) => runMaintenance(clock, disk, signal),
    close: () => close(disk),
  }
  return disk
}

/** A damaged index is put aside and made anew: it says nothing that the files can't tell, but for who may see them. */
async function openWhole(deps: DiskDeps): Promise<Opened> {
  const { files, layout, log } = deps
  const path = layout.database
  try {
    return await openReconciled(deps)
  } catch (error) {
    if (!isDamage(error)) throw error
    const keptAs = `${path}.damaged`
    const effect = 'peers get of what is stored only what is asked for again'
    log.warn('store.index-damaged', { path, reason: String(error), keptAs, effect })
    await files.rename(path, keptAs)
    for (const suffix of ['-wal', '-shm']) await files.remove(path + suffix)
    return await openReconciled(deps)
  }
}

interface Opened {
  readonly index: FsIndex
  readonly found: Reconciled
}

async function openReconciled(deps: DiskDeps): Promise<Opened> {
  const { layout, quota } = deps
  const limits = { maxBytes: quota.quotaBytes }
  const index = await FsIndex.open(layout.database)
  try {
    const isForeign = layout.artifactsRoot !== layout.root
    const foreign = isForeign && { takeOver: () => takeOver(deps, limits) }
    return { index, found: await reconcile({ ...deps, index, ...foreign }) }
  } catch (error) {
    index.close()
    throw error
  }
}

async function runMaintenance(clock: Clock, disk: Disk, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(MAINTENANCE_EVERY_MS, signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    disk.partials.saveProgress()
    await disk.writer.drain()
  }
}

async function close({ index, writer, durability, partials }: Disk): Promise<void> {
  try {
    await partials.stop()
    await writer.drain()
    await durability.stop()
  } finally {
    index.close()
  }
}

/**
 * Gives a finished download its name. Rename first, row second: the other way a kill in between would lose the download;
 * this way its row among the partials still tells start-up what the nameless-in-the-index file is. Nothing is synced here:
 * the row says so, and the file is hashed again if this run ends before durability.ts got to it.
 */
async function place(deps: DiskDeps, disk: Disk, request: CommitRequest): Promise<boolean> {
  const { files, layout, clock, entries, health } = deps
  const { digest, size } = request.geometry
  let mark: FileFingerprint | undefined
  try {
    await disk.writer.settle(digest) // an earlier delete must not take the new file
    await disk.writer.makeShard(digest)
    if (!entries.has(digest)) {
      // Of an origin it has been made; what peers claimed may have some only now that it is known to be true.
      if (!request.isReserved && !makeSpace(deps.quota, size, request.options.retention))
        return false
      await files.rename(request.path, layout.artifact(digest))
      mark = await statFingerprint(files, layout.artifact(digest))
    }
  } catch (error) {
    health.failed(error)
    return false
  }
  const { visibility, retention = 'cache' } = request.options
  if (entries.has(digest)) {
    // Stored by another request meanwhile: the same bytes.
    const isWidened = entries.widen(digest, visibility)
    if (strengthen(deps.quota, digest, retention) || isWidened) disk.writer.rows.touch(digest)
    return true
  }
  const nowMs = clock.epochMs()
  const times = { addedAtMs: nowMs, usedAtMs: nowMs }
  const entry = { digest, size, visibility, retention, pinned: false, ...times, mark }
  adopt(deps, disk, { entry, description: toDescription(request) })
  return true
}

function adopt(
  { entries, marks, health }: DiskDeps,
  { index, durability }: Disk,
  { entry, description }: { entry: Omit<EntryRow, 'synced'>; description: Description | undefined },
): void {
  const { mark, ...visible } = entry
  durability.add(entry.digest)
  marks.note(entry.digest, mark)
  entries.add(visible)
  try {
    index.apply({
      entries: [{ ...entry, synced: false }],
      descriptions: description ? [description] : [],
      removedPartials: [entry.digest],
    })
  } catch (error) {
    health.failed(error) // the file is there, and start-up adopts files without rows
  }
}

function toDescription({ geometry, leaves, root }: CommitRequest): Description | undefined {
  const expected = chunkCount(geometry.size, geometry.chunkSize) * HASH_BYTES
  if (leaves?.byteLength !== expected) return undefined
  return { manifest: { ...geometry, root: root ?? merkleRoot(leaves) }, leaves }
}

function withoutOrphans({ partials, orphans }: Reconciled): PartialRow[] {
  const adopted = new Set(orphans)
  return partials.filter((row) => !adopted.has(row.geometry.digest))
}
