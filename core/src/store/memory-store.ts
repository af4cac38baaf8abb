/**
 * Port 1 in memory: the reference that the contract suite holds fs-store.ts against, and the store of a node without a folder.
 * Keeps the bytes it is given, copies nothing, survives nothing.
 */
import type { Clock } from '../timing/clock.ts'
import { compact } from '../content/compact.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import {
  describeBytes,
  type ArtifactGeometry,
  type ChunkTable,
  type Description,
} from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { checkRange, cut, notFound, type ByteRange } from './fs/artifact-reader.ts'
import { Entries } from './entries.ts'
import { chooseVictims } from './evict.ts'
import { MemoryPartials } from './memory-partials.ts'
import { evictionOrder, makeSpace, replicaQuotaOf, strengthen, type QuotaDeps } from './quota.ts'
import { CLAIMS_SHARE } from './store.ts'
import type { PartialArtifact, PutOptions, Store, StoreEntry, StoreEvent } from './store.ts'
import type { Visibility } from '../content/visibility.ts'
import type { PruneReport, Retention, StoreUsage, VerifyReport } from './store.ts'

export interface MemoryStoreOptions {
  readonly quotaBytes: number
  /** Of replicas, within the quota; a fifth of it unless given. */
  readonly replicaQuotaBytes?: number | undefined
  /** For artifacts that this store describes, bytes. */
  readonly chunkSize: number
}

export function createMemoryStore(
  deps: { clock: Clock; log: Logger },
  options: MemoryStoreOptions,
): Store {
  return new MemoryStore(deps, options)
}

class MemoryStore implements Store {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #options: MemoryStoreOptions
  readonly #entries = new Entries()
  readonly #bytes = new Map<Digest, Uint8Array>()
  readonly #descriptions = new Map<Digest, Description>()
  readonly #partials: MemoryPartials
  #state: 'new' | 'running' | 'stopped' = 'new'

  constructor(deps: { clock: Clock; log: Logger }, options: MemoryStoreOptions) {
    this.#clock = deps.clock
    this.#log = deps.log
    this.#options = options
    this.#partials = new MemoryPartials({
      makeSpace: (bytes, retention) => this.#makeSpace(bytes, retention),
      maxClaimedBytes: Math.floor(options.quotaBytes * CLAIMS_SHARE),
      has: (digest) => this.#entries.has(digest),
      keep: ({ digest }, bytes, options) => {
        this.#keep(digest, bytes, options)
        if (options.description) this.#descriptions.set(digest, options.description)
      },
    })
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new Error(`a store starts once, this one is ${this.#state}`)
    this.#state = 'running'
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
  }

  keeps(): boolean {
    return true
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
      partialBytes: this.#partials.presentBytes,
      quotaBytes: this.#options.quotaBytes,
      replicaBytes: this.#entries.bytesOf('replica'),
      replicaQuotaBytes: replicaQuotaOf(this.#options),
      pinned: this.#entries.pinned,
      writable: true,
    }
  }

  async put(digest: Digest, bytes: Uint8Array, options: PutOptions): Promise<void> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    if (this.#entries.has(digest) || this.#makeSpace(bytes.byteLength, options.retention)) {
      this.#partials.drop(digest)
      this.#keep(digest, bytes, options)
    }
  }

  async flush(): Promise<void> {
    this.#assertRunning()
  }

  async drain(): Promise<void> {
    this.#assertRunning()
  }

  async read(digest: Digest, range?: ByteRange): Promise<Uint8Array> {
    this.#assertRunning()
    const bytes = this.#bytes.get(digest)
    if (bytes === undefined) throw notFound(digest)
    if (range !== undefined) checkRange(range, bytes.byteLength)
    this.#entries.touch(digest, this.#clock.epochMs())
    return cut(bytes, range)
  }

  async confirm(digest: Digest): Promise<boolean> {
    this.#assertRunning()
    return this.#bytes.has(digest)
  }

  async describe(digest: Digest): Promise<Description> {
    this.#assertRunning()
    const bytes = this.#bytes.get(digest)
    if (bytes === undefined) throw notFound(digest)
    const known = this.#descriptions.get(digest)
    if (known !== undefined) return known
    const description = describeBytes(digest, bytes, this.#options.chunkSize)
    this.#descriptions.set(digest, description)
    return description
  }

  async openPartial(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    options: PutOptions,
  ): Promise<PartialArtifact> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    return this.#partials.open(geometry, leaves, options)
  }

  async findPartial(digest: Digest): Promise<ChunkTable | undefined> {
    this.#assertRunning()
    return this.#partials.find(digest)
  }

  setVisibility(digest: Digest, visibility: Visibility): boolean {
    this.#assertRunning()
    return this.#entries.setVisibility(digest, visibility)
  }

  async delete(digest: Digest): Promise<boolean> {
    this.#assertRunning()
    return this.#drop(digest)
  }

  async pin(digest: Digest, pinned: boolean): Promise<boolean> {
    this.#assertRunning()
    return this.#entries.pin(digest, pinned)
  }

  async verify(options: {
    signal?: AbortSignal
    onProgress?: (checked: number, total: number) => void
  }): Promise<VerifyReport> {
    this.#assertRunning()
    const artifacts = [...this.#bytes]
    const corrupt: Digest[] = []
    let bytes = 0
    for (const [index, [digest, content]] of artifacts.entries()) {
      options.signal?.throwIfAborted()
      if (digestOf(content) !== digest) {
        this.#log.warn('store.corrupt', { digest, found: 'by verify' })
        this.#drop(digest)
        corrupt.push(digest)
      }
      bytes += content.byteLength
      options.onProgress?.(index + 1, artifacts.length)
    }
    return { checked: artifacts.length, bytes, corrupt }
  }

  async prune(options: { targetBytes?: number; signal?: AbortSignal }): Promise<PruneReport> {
    this.#assertRunning()
    options.signal?.throwIfAborted()
    const before = this.#entries.bytes
    const quotaBytes = Math.min(options.targetBytes ?? Infinity, this.#options.quotaBytes)
    const victims =
      chooseVictims(evictionOrder(this.#entries), {
        quotaBytes,
        usedBytes: before,
        incomingBytes: 0,
      }) ?? Array.from(evictionOrder(this.#entries), (entry) => entry.digest)
    for (const digest of victims) this.#drop(digest)
    return { removed: victims.length, freed: before - this.#entries.bytes }
  }

  onEvent(listener: (event: StoreEvent) => void): () => void {
    return this.#entries.onEvent(listener)
  }

  #keep(digest: Digest, bytes: Uint8Array, { visibility, retention = 'cache' }: PutOptions): void {
    const nowMs = this.#clock.epochMs()
    if (this.#entries.has(digest)) {
      this.#entries.widen(digest, visibility)
      strengthen(this.#quota(), digest, retention)
      this.#entries.touch(digest, nowMs)
      return
    }
    this.#bytes.set(digest, compact(bytes))
    const times = { addedAtMs: nowMs, usedAtMs: nowMs }
    const size = bytes.byteLength
    this.#entries.add({ digest, size, visibility, retention, pinned: false, ...times })
  }

  #makeSpace(incomingBytes: number, retention?: Retention): boolean {
    return makeSpace(this.#quota(), incomingBytes, retention)
  }

  #quota(): QuotaDeps {
    const { quotaBytes } = this.#options
    return {
      entries: this.#entries,
      partials: this.#partials,
      quotaBytes,
      replicaQuotaBytes: replicaQuotaOf(this.#options),
      drop: (digest) => this.#drop(digest),
    }
  }

  #drop(digest: Digest): boolean {
    this.#bytes.delete(digest)
    this.#descriptions.delete(digest)
    return this.#entries.remove(digest)
  }

  #assertRunning(): void {
    if (this.#state !== 'running') {
      throw new CatalogError('NODE_STOPPED', `the store is ${this.#state}`)
    }
  }
}
