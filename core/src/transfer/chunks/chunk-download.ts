/**
 * Fills one assembly with chunks from several peers at once. It carries out what plan.ts decides, waits for peers that are
 * busy or hung up, and gives up when all together send next to nothing. It never verifies the whole: the assembly does. Until
 * then its bytes may be worth nothing, so it gives no peer credit for them and decides nothing about other sources.
 */
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Assembly } from './assembly.ts'
import type { BulkSlots } from './bulk-slots.ts'
import { createRequestWindow, type RequestWindow } from '../asking/request-window.ts'
import { createChunkFetcher, type ChunkFetcher, type ChunkFetcherDeps } from './chunk-fetcher.ts'
import { createPlan, type Plan } from './plan.ts'
import { createProgress } from './progress.ts'
import { createStalledPeers, type StalledPeers } from './stalled-peers.ts'
import { HANG_UP_BACKOFF_MS } from '../sources/retry-peers.ts'

/** Bytes asked for beyond the first missing chunk. */
const WINDOW_BYTES = 32 * 1024 * 1024
/** Bytes one peer may owe us: enough for 150 MB/s at 50 ms. */
const PER_PEER_BYTES = 8 * 1024 * 1024
/** What a peer may owe us that many ask at once: more of it would only wait there, and come from others sooner. */
const CHUNKS_OF_SHARED = 2
const TICK_MS = 50
/** How long a peer that said BUSY is left alone. */
const BUSY_BACKOFF_MS = 250
/** All peers together are given up when less than this comes in that time; one that sends nothing at all is given up earlier. */
const MIN_BYTES = 4 * 1024
const GRACE_MS = 20_000
/** Where one says that its upload limit holds it back: as long as the most patient client waits (npm). */
const THROTTLED_GRACE_MS = 300_000

export interface ChunkPeers {
  /** Peers that claim this manifest; `has` undefined: all of it is there. Called with each as it joins. */
  onPeer(listener: (peer: PeerId, has: ((index: number) => boolean) | undefined) => void): void
  /** It is asked no more; another that claims the same may join in its place, before this returns. */
  left(peer: PeerId): void
  /** Many ask this peer for all of it at once, and have chunks for each other soon. */
  isShared(peer: PeerId): boolean
  /** More claim the same than can take part at once. */
  readonly hasSpares: boolean
}

export interface ChunkDownloadDeps extends ChunkFetcherDeps {
  /** Places for artifacts that come in bulk from one peer. */
  readonly slots: BulkSlots
}

export interface ChunkDownloadOptions {
  readonly leaves: Uint8Array
  /** Chunks that are there already. */
  readonly present: readonly number[]
  /** Where this machine begins with what many ask for, 0 to 1: whoever begins elsewhere soon has what others have not. */
  readonly from?: number
  /** A chunk of so many bytes has come and matched its leaf. */
  readonly onChunk: (peer: PeerId, bytes: number) => void
  readonly signal: AbortSignal
}

/**
 * Resolves when every chunk has arrived and matched its leaf.
 * @throws CatalogError PEER_TIMEOUT when the peers are too slow, NO_PROVIDERS when none is left; `signal.reason`
 */
export async function downloadChunks(
  assembly: Assembly,
  peers: ChunkPeers,
  deps: ChunkDownloadDeps,
  options: ChunkDownloadOptions,
): Promise<void> {
  options.signal.throwIfAborted()
  await new ChunkDownload(assembly, peers, deps, options).run()
}

class ChunkDownload {
  readonly #assembly: Assembly
  readonly #peers: ChunkPeers
  readonly #deps: ChunkDownloadDeps
  readonly #options: ChunkDownloadOptions
  readonly #window: RequestWindow
  readonly #fetcher: ChunkFetcher
  readonly #plan: Plan
  readonly #stalled: StalledPeers
  readonly #stop = new AbortController()
  readonly #over = Promise.withResolvers<void>()
  /** Peers with a place for this artifact. */
  readonly #withSlot = new Set<PeerId>()
  /** Peers that said BUSY or hung up, and until when they are left alone. */
  readonly #backedOffUntilMs = new Map<PeerId, number>()
  /** Times in a row. */
  readonly #hangUps = new Map<PeerId, number>()
  /** Requests under way, each with what cancels it, by the chunk that it asks for. */
  readonly #requests = new Map<AbortController, number>()

  constructor(
    assembly: Assembly,
    peers: ChunkPeers,
    deps: ChunkDownloadDeps,
    options: ChunkDownloadOptions,
  ) {
    this.#assembly = assembly
    this.#peers = peers
    this.#deps = deps
    this.#stalled = createStalledPeers(deps, (peer) => deps.links.receivedBytes(peer, 'bulk'))
    this.#options = options
    const { chunkSize } = assembly.geometry
    this.#window = createRequestWindow({ chunkSize, maxBytes: PER_PEER_BYTES })
    const { leaves, from = 0 } = options
    this.#fetcher = createChunkFetcher(assembly, deps, { leaves, window: this.#window })
    this.#plan = createPlan({
      chunks: assembly.chunks,
      from: (peer) => (peers.isShared(peer) ? from : undefined),
      window: Math.max(4, Math.floor(WINDOW_BYTES / chunkSize)),
      perPeer: (peer) => (peers.isShared(peer) ? CHUNKS_OF_SHARED : this.#window.chunks(peer)),
    })
    for (const index of options.present) this.#plan.arrived(index)
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    const onAbort = (): void => {
      this.#stop.abort(signal.reason)
      this.#over.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#over.promise.catch(() => undefined) // raced below
    try {
      if (this.#plan.complete) return
      this.#peers.onPeer((peer, has) => {
        if (this.#stop.signal.aborted) return
        this.#plan.addPeer(peer, has)
        this.#pump()
      })
      await Promise.race([this.#over.promise, this.#watch(), this.#assembly.verified])
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#stop.abort(new Error('the download is over'))
      for (const cancel of this.#requests.keys()) cancel.abort(this.#stop.signal.reason)
      for (const peer of [...this.#withSlot]) this.#releaseSlot(peer)
    }
  }

  #pump(): void {
    if (this.#stop.signal.aborted) return
    const { clock, scores } = this.#deps
    const nowMs = clock.now()
    const expectedMs = (peer: PeerId, place: number): number =>
      this.#window.expectedMs(peer, place, nowMs)
    for (const peer of this.#plan.peers) {
      if (scores.isBanned(peer)) {
        this.#dropPeer(peer, new CatalogError('PEER_REFUSED', 'the peer is banned', { peer }))
        continue
      }
      if (!this.#canAsk(peer)) continue
      for (;;) {
        const index = this.#plan.next(peer, expectedMs)
        if (index === undefined) break
        this.#start(peer, index)
      }
    }
  }

  #canAsk(peer: PeerId): boolean {
    const { clock, slots } = this.#deps
    if ((this.#backedOffUntilMs.get(peer) ?? 0) > clock.now()) return false
    if (this.#withSlot.has(peer)) return true
    if (!slots.take(peer, this.#assembly.geometry.digest)) return false
    this.#withSlot.add(peer)
    return true
  }

  #start(peer: PeerId, index: number): void {
    const cancel = new AbortController()
    this.#requests.set(cancel, index)
    this.#plan.asked(peer, index)
    this.#fetcher.fetch(peer, index, cancel.signal).then(
      (bytes) => {
        this.#requests.delete(cancel)
        this.#onArrived(peer, index, bytes)
      },
      (error: unknown) => {
        this.#requests.delete(cancel)
        if (!cancel.signal.aborted) this.#onFailed(peer, index, error)
      },
    )
  }

  #onArrived(peer: PeerId, index: number, bytes: number): void {
    if (bytes > 0) {
      this.#hangUps.delete(peer)
      this.#options.onChunk(peer, bytes)
    }
    this.#plan.arrived(index)
    // Others that were asked for it too need not send it.
    for (const [cancel, other] of this.#requests) {
      if (other === index) cancel.abort(new Error('another peer was quicker'))
    }
    if (this.#plan.complete) this.#over.resolve()
    else this.#pump()
  }

  #onFailed(peer: PeerId, index: number, error: unknown): void {
    this.#plan.failed(peer, index)
    const backoffMs = this.#backoffMsAfter(peer, error)
    if (backoffMs === undefined) this.#dropPeer(peer, error)
    else this.#backedOffUntilMs.set(peer, this.#deps.clock.now() + backoffMs)
    this.#pump()
  }

  /** How long to leave it alone before it is asked again; undefined: for good. */
  #backoffMsAfter(peer: PeerId, error: unknown): number | undefined {
    if (isCatalogError(error, 'PEER_BUSY')) return BUSY_BACKOFF_MS
    if (!isCatalogError(error, 'PEER_UNREACHABLE')) return undefined
    // All that it owed us fails with its stream: that is one time, not many.
    const leftMs = (this.#backedOffUntilMs.get(peer) ?? 0) - this.#deps.clock.now()
    if (leftMs > 0) return leftMs
    const times = this.#hangUps.get(peer) ?? 0
    this.#hangUps.set(peer, times + 1)
    return HANG_UP_BACKOFF_MS[times]
  }

  #dropPeer(peer: PeerId, error: unknown): void {
    if (!isCatalogError(error, 'NOT_FOUND')) this.#deps.scores.recordTimeout(peer)
    this.#releaseSlot(peer)
    // All that it owed us fails: it leaves once.
    if (this.#plan.peers.includes(peer)) {
      this.#plan.removePeer(peer)
      this.#stalled.forget(peer)
      this.#peers.left(peer)
    }
    if (this.#plan.peers.length > 0) return
    const { digest } = this.#assembly.geometry
    this.#over.reject(
      new CatalogError('NO_PROVIDERS', 'no peer is left to ask', { digest, cause: error }),
    )
  }

  /** A peer that sends nothing gives its place to one that claims the same and waits. */
  #replaceStalled(): void {
    for (const peer of this.#plan.peers) {
      // Not for a while in which we, or it on purpose, were what is slow.
      const isHeldBack = this.#fetcher.heldBack > 0 || this.#deps.links.isThrottled(peer)
      const owes = isHeldBack ? 0 : this.#plan.owes(peer)
      if (!this.#stalled.isStalled(peer, owes) || !this.#peers.hasSpares) continue
      this.#dropPeer(peer, new CatalogError('PEER_TIMEOUT', 'the peer sends nothing', { peer }))
    }
  }

  #releaseSlot(peer: PeerId): void {
    if (!this.#withSlot.delete(peer)) return
    this.#deps.slots.release(peer, this.#assembly.geometry.digest)
  }

  async #watch(): Promise<void> {
    const { clock, links, scores } = this.#deps
    const progress = createProgress((peer) => links.receivedBytes(peer, 'bulk'))
    let bytes = progress.total(this.#plan.peers)
    let sinceMs = clock.now()
    for (;;) {
      await clock.sleep(TICK_MS, this.#stop.signal)
      this.#replaceStalled()
      this.#pump()
      const now = progress.total(this.#plan.peers) // at every tick: a peer may leave, what it sent has arrived
      // We are what is slow, or wait for a place.
      if (this.#fetcher.heldBack > 0 || this.#withSlot.size === 0) sinceMs = clock.now()
      const isThrottled = this.#plan.peers.some((peer) => links.isThrottled(peer))
      if (clock.now() - sinceMs < (isThrottled ? THROTTLED_GRACE_MS : GRACE_MS)) continue
      if (now - bytes < MIN_BYTES) {
        for (const peer of this.#plan.peers)
          if (this.#plan.owes(peer) > 0) scores.recordTimeout(peer)
        const { digest } = this.#assembly.geometry
        throw new CatalogError('PEER_TIMEOUT', 'the peers are too slow', { digest })
      }
      bytes = now
      sinceMs = clock.now()
    }
  }
}
