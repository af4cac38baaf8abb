/**
 * Port 1 on a folder. Lookups are map accesses; puts are visible at once and reach the disk behind (writer.ts); reads come
 * from memory or from one file. A name in the store means complete and verified, however the process or the machine dies:
 * writer.ts, durability.ts and reconcile.ts say why. A disk that refuses never fails an install: disk-health.ts.
 */
import type { Clock } from '../../timing/clock.ts'
import { compact } from '../../content/compact.ts'
import type { Digest } from '../../content/digest.ts'
import type { ArtifactGeometry, ChunkTable, Description } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { ArtifactDescriber } from './artifact-describer.ts'
import { ArtifactReader, type ByteRange } from './artifact-reader.ts'
import { DiskHealth } from './disk-health.ts'
import { Entries } from '../entries.ts'
import { FileFingerprints, type FileFingerprint } from './file-fingerprint.ts'
import type { Disk, DiskDeps } from './disk.ts'
import { createNodeFiles, type StoreFiles } from './files.ts'
import { createPromptWrites } from './prompt-writes.ts'
import { createPooledReads, createReadThread } from './read-thread.ts'
import { FsFolder } from './folder.ts'
import { createFsLayout } from './layout.ts'
import { pruneFiles, verifyFiles } from './maintenance.ts'
import { makeSpace, replicaQuotaOf, strengthen, type QuotaDeps } from '../quota.ts'
import { CLAIMS_SHARE } from '../store.ts'
import type { PartialArtifact, PutOptions, Store, StoreEntry, StoreEvent } from '../store.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { PruneReport, StoreUsage, VerifyReport } from '../store.ts'

export interface FsStoreDeps {
  readonly clock: Clock
  readonly log: Logger
  /** The file operations; those of Node unless given. */
  readonly files?: StoreFiles
}

export interface FsStoreOptions {
  /** Folder, this store's alone. */
  readonly path: string
  /** The folder whose artifacts it has instead of its own; anybody may have written to it. */
  readonly artifactsOf?: string | undefined
  readonly quotaBytes: number
  /** Of replicas, within the quota; a fifth of it unless given. */
  readonly replicaQuotaBytes?: number | undefined
  /** Default true. */
  readonly keepPrivate?: boolean
  readonly memoryBytes: number
  /** For artifacts that this store describes, bytes. */
  readonly chunkSize: number
}

export function createFsStore(deps: FsStoreDeps, options: FsStoreOptions): Store {
  return new FsStore(deps, options)
}

class FsStore implements Store {
  readonly #options: FsStoreOptions
  readonly #deps: DiskDeps
  readonly #entries = new Entries()
  readonly #marks = new FileFingerprints()
  readonly #health: DiskHealth
  readonly #reader: ArtifactReader
  readonly #describer: ArtifactDescriber
  readonly #folder: FsFolder
  /** What comes of hashing a file again. */
  readonly #rehashing = {
    onRehashed: (digest: Digest, mark: FileFingerprint | undefined): void => {
      this.#marks.note(digest, mark)
      this.#disk?.writer.rows.touch(digest)
    },
    drop: (digest: Digest): void => void this.#drop(digest),
  }
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor({ clock, log, files: given }: FsStoreDeps, options: FsStoreOptions) {
    const files = createPromptWrites(given ?? createNodeFiles(), clock)
    // Files of a test's own see every operation.
    const whole = given ? createPooledReads(files) : createReadThread(files, clock)
    this.#options = options
    this.#health = new DiskHealth({ clock, log }, options.path)
    const [entries, marks] = [this.#entries, this.#marks]
    const layout = createFsLayout(options.path, options.artifactsOf)
    const shared = { log, files, layout, entries, marks }
    const read = (digest: Digest, range: ByteRange) => this.#reader.read(digest, range)
    this.#deps = {
      ...{ ...shared, clock, read, health: this.#health },
      quota: this.#quota(),
      maxClaimedBytes: Math.floor(options.quotaBytes * CLAIMS_SHARE),
      lost: (digest) => this.#forget(digest),
    }
    this.#folder = new FsFolder(this.#deps)
    const pending = (digest: Digest) => this.#disk?.writer.pending(digest)
    this.#reader = new ArtifactReader({ ...shared, ...this.#rehashing, whole, pending }, options)
    const sizeOf = (digest: Digest) => entries.sizeOf(digest)
    const load = (digest: Digest) => this.#disk?.index.description(digest)
    const save = (description: Description) => this.#disk?.writer.rows.describe(description)
    this.#describer = new ArtifactDescriber({ sizeOf, read, load, save }, options.chunkSize)
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error(`a store starts once, this one is ${this.#state}`)
    await this.#folder.start()
    this.#state = 'running'
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    await this.#folder.stop()
    await this.#reader.stop()
  }

  keeps(visibility: Visibility): boolean {
    return visibility === 'public' || this.#options.keepPrivate !== false
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest)
  }

  entry(digest: Digest): StoreEntry | undefined {
    return this.#entries.get(digest)
  }

  entries(): Iterable<StoreEntry> {
    return this.#entries.all()
  }

  usage(): StoreUsage {
    return {
      artifacts: this.#entries.count,
      bytes: this.#entries.bytes,
      partialBytes: this.#disk?.partials.presentBytes ?? 0,
      quotaBytes: this.#options.quotaBytes,
      replicaBytes: this.#entries.bytesOf('replica'),
      replicaQuotaBytes: replicaQuotaOf(this.#options),
      pinned: this.#entries.pinned,
      writable: this.#health.writable,
    }
  }

  async put(digest: Digest, bytes: Uint8Array, options: PutOptions): Promise<void> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    const { visibility, retention = 'cache', signal } = options
    if (!this.keeps(visibility)) return
    const disk = this.#folder.writable ?? (await this.#folder.reopen())
    if (disk === undefined) return
    if (this.#entries.has(digest)) {
      this.#entries.widen(digest, visibility)
      strengthen(this.#deps.quota, digest, retention)
      this.#touch(digest)
      return
    }
    const size = bytes.byteLength
    if (disk.writer.overloaded || !this.#health.mayWrite()) return
    if (!makeSpace(this.#deps.quota, size, retention)) return
    const own = compact(bytes)
    const nowMs = this.#deps.clock.epochMs()
    // Memory first: a listener of the event may read it at once.
    this.#reader.remember(digest, own)
    disk.writer.write(digest, own)
    disk.partials.drop(digest)
    const times = { addedAtMs: nowMs, usedAtMs: nowMs }
    this.#entries.add({ digest, size, visibility, retention, pinned: false, ...times })
    if (!disk.writer.hasBacklogSpace) await disk.writer.untilBacklogSpace(signal)
  }

  async flush(): Promise<void> {
    await this.#folder.adopted()
    await this.drain()
    await this.#disk?.durability.sync()
  }

  async drain(): Promise<void> {
    this.#assertRunning()
    await this.#disk?.writer.drain()
  }

  async read(digest: Digest, range?: ByteRange): Promise<Uint8Array> {
    this.#assertRunning()
    this.#touch(digest)
    return await this.#reader.read(digest, range)
  }

  async confirm(digest: Digest): Promise<boolean> {
    this.#assertRunning()
    return await this.#reader.confirm(digest)
  }

  async describe(digest: Digest): Promise<Description> {
    this.#assertRunning()
    return await this.#describer.describe(digest)
  }

  async openPartial(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    options: PutOptions,
  ): Promise<PartialArtifact> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    const disk = this.#folder.writable ?? (await this.#folder.reopen())
    if (disk === undefined || !this.#health.mayWrite()) {
      throw new CatalogError('STORE_FAILED', 'the disk takes no writes at the moment')
    }
    return await disk.partials.open(geometry, leaves, options)
  }

  async findPartial(digest: Digest): Promise<ChunkTable | undefined> {
    this.#assertRunning()
    return this.#disk?.partials.find(digest)
  }

  setVisibility(digest: Digest, visibility: Visibility): boolean {
    this.#assertRunning()
    if (!this.#entries.setVisibility(digest, visibility)) return false
    this.#disk?.writer.rows.touch(digest)
    return true
  }

  async delete(digest: Digest): Promise<boolean> {
    this.#assertRunning()
    if (!this.#drop(digest)) return false
    await this.#disk?.writer.settle(digest)
    return true
  }

  async pin(digest: Digest, pinned: boolean): Promise<boolean> {
    this.#assertRunning()
    if (!this.#entries.pin(digest, pinned)) return false
    this.#disk?.writer.rows.touch(digest)
    await this.#disk?.writer.drain()
    return true
  }

  async verify(options: Parameters<Store['verify']>[0]): Promise<VerifyReport> {
    await this.drain()
    return await verifyFiles(this.#maintenance(), options)
  }

  async prune(options: Parameters<Store['prune']>[0]): Promise<PruneReport> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    if (this.#disk === undefined) return { removed: 0, freed: 0 }
    const targetBytes = Math.min(options.targetBytes ?? Infinity, this.#options.quotaBytes)
    const what = { targetBytes, nowMs: this.#deps.clock.epochMs() }
    const report = pruneFiles(this.#maintenance(), this.#disk.partials, what)
    await this.#disk.writer.drain()
    return report
  }

  onEvent(listener: (event: StoreEvent) => void): () => void {
    return this.#entries.onEvent(listener)
  }

  get #disk(): Disk | undefined {
    return this.#folder.disk
  }

  #quota(): QuotaDeps {
    const { quotaBytes } = this.#options
    return {
      entries: this.#entries,
      partials: { reservedBytes: (of) => this.#disk?.partials.reservedBytes(of) ?? 0 },
      quotaBytes,
      replicaQuotaBytes: replicaQuotaOf(this.#options),
      drop: (digest) => this.#drop(digest),
    }
  }

  #touch(digest: Digest): void {
    this.#entries.touch(digest, this.#deps.clock.epochMs())
    this.#disk?.writer.rows.touch(digest)
  }

  #drop(digest: Digest): boolean {
    if (!this.#entries.has(digest)) return false
    this.#disk?.forget(digest)
    this.#forget(digest)
    return true
  }

  #forget(digest: Digest): void {
    this.#reader.forget(digest)
    this.#describer.forget(digest)
    this.#marks.forget(digest)
    this.#entries.remove(digest)
  }

  #maintenance(): Parameters<typeof verifyFiles>[0] {
    const isPending = (digest: Digest) => this.#disk?.writer.pending(digest) !== undefined
    return { ...this.#deps, ...this.#rehashing, isPending }
  }

  #assertRunning(): void {
    if (this.#state === 'running') return
    throw new CatalogError('NODE_STOPPED', `the store is ${this.#state}`)
  }
}
