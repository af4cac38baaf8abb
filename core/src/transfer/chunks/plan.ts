/**
 * Which peer is asked for which chunk: pure bookkeeping for one artifact and several peers, no IO, no timers. Chunks are
 * asked for within a window after the first missing one, rarest first; when none is left, chunks that are late are asked for
 * again from another peer.
 */
import type { PeerId } from '../../host/host.ts'

export interface PlanOptions {
  readonly chunks: number
  /** Chunks asked for beyond the first missing one, at most: bounds what waits in memory for its turn. */
  readonly window: number
  /** Chunks that a peer may owe us at once, just now. */
  readonly perPeer: (peer: PeerId) => number
}

export interface Plan {
  /** `hasChunk` undefined: the peer holds all of it. */
  addPeer(peer: PeerId, hasChunk: ((index: number) => boolean) | undefined): void
  removePeer(peer: PeerId): void
  readonly peers: readonly PeerId[]
  /** The next chunk to ask `peer` for, or undefined when it should wait. `lateAfterMs`: age at which a chunk counts as late. */
  next(peer: PeerId, nowMs: number, lateAfterMs: number): number | undefined
  asked(peer: PeerId, index: number, nowMs: number): void
  /** The request, held back until now, has left: its age counts from here. */
  sent(peer: PeerId, index: number, nowMs: number): void
  /** Chunks that `peer` has been asked for and that are still wanted. */
  owes(peer: PeerId): number
  /** The request ended without the chunk. */
  failed(peer: PeerId, index: number): void
  /** True the first time a chunk arrives. */
  arrived(index: number): boolean
  isPresent(index: number): boolean
  readonly present: number
  readonly complete: boolean
  readonly firstMissing: number
}

export function createPlan(options: PlanOptions): Plan {
  return new RarestFirstPlan(options)
}

type HasChunk = ((index: number) => boolean) | undefined

class RarestFirstPlan implements Plan {
  readonly #options: PlanOptions
  readonly #present: Uint8Array
  readonly #peers = new Map<PeerId, { hasChunk: HasChunk; owes: number }>()
  readonly #requests = new OpenRequests()
  #presentCount = 0
  #firstMissing = 0

  constructor(options: PlanOptions) {
    this.#options = options
    this.#present = new Uint8Array(options.chunks)
  }

  addPeer(peer: PeerId, hasChunk: HasChunk): void {
    this.#peers.set(peer, { hasChunk, owes: this.owes(peer) })
  }

  removePeer(peer: PeerId): void {
    this.#requests.removePeer(peer)
    this.#peers.delete(peer)
  }

  get peers(): readonly PeerId[] {
    return [...this.#peers.keys()]
  }

  next(peer: PeerId, nowMs: number, lateAfterMs: number): number | undefined {
    const state = this.#peers.get(peer)
    if (state === undefined || this.complete) return undefined
    if (state.owes >= this.#options.perPeer(peer)) return undefined
    const { hasChunk } = state
    return this.#rarestMissing(hasChunk) ?? this.#requests.late(peer, hasChunk, nowMs, lateAfterMs)
  }

  asked(peer: PeerId, index: number, nowMs: number): void {
    const state = this.#peers.get(peer)
    if (state !== undefined && this.#requests.add(peer, index, nowMs)) state.owes++
  }

  sent(peer: PeerId, index: number, nowMs: number): void {
    this.#requests.restart(peer, index, nowMs)
  }

  owes(peer: PeerId): number {
    return this.#peers.get(peer)?.owes ?? 0
  }

  failed(peer: PeerId, index: number): void {
    const state = this.#peers.get(peer)
    if (this.#requests.remove(peer, index) && state !== undefined) state.owes--
  }

  arrived(index: number): boolean {
    for (const peer of this.#requests.askedFor(index)) this.failed(peer, index)
    if (this.isPresent(index)) return false
    this.#present[index] = 1
    this.#presentCount++
    while (this.isPresent(this.#firstMissing)) this.#firstMissing++
    return true
  }

  isPresent(index: number): boolean {
    return this.#present[index] === 1
  }

  get present(): number {
    return this.#presentCount
  }

  get complete(): boolean {
    return this.#presentCount === this.#options.chunks
  }

  get firstMissing(): number {
    return this.#firstMissing
  }

  /** Of those within the window that nobody has been asked for. */
  #rarestMissing(hasChunk: HasChunk): number | undefined {
    const { chunks, window } = this.#options
    const end = Math.min(chunks, this.#firstMissing + window)
    const allHaveAll = [...this.#peers.values()].every((peer) => peer.hasChunk === undefined)
    let best: number | undefined
    let bestHolders = Infinity
    for (let index = this.#firstMissing; index < end; index++) {
      if (this.isPresent(index) || this.#requests.isAsked(index)) continue
      if (hasChunk !== undefined && !hasChunk(index)) continue
      if (allHaveAll) return index
      const holders = this.#holders(index)
      if (holders < bestHolders) {
        best = index
        bestHolders = holders
      }
    }
    return best
  }

  #holders(index: number): number {
    let holders = 0
    for (const { hasChunk } of this.#peers.values()) {
      if (hasChunk === undefined || hasChunk(index)) holders++
    }
    return holders
  }
}

/** Which peers have been asked for which chunk, and when. */
class OpenRequests {
  readonly #askedMs = new Map<number, Map<PeerId, number>>()

  /** False when the peer had been asked for it already; it counts from now on. */
  add(peer: PeerId, index: number, nowMs: number): boolean {
    let asked = this.#askedMs.get(index)
    if (asked === undefined) this.#askedMs.set(index, (asked = new Map<PeerId, number>()))
    const isNew = !asked.has(peer)
    asked.set(peer, nowMs)
    return isNew
  }

  restart(peer: PeerId, index: number, nowMs: number): void {
    const asked = this.#askedMs.get(index)
    if (asked?.has(peer) === true) asked.set(peer, nowMs)
  }

  /** False when there was none. */
  remove(peer: PeerId, index: number): boolean {
    const asked = this.#askedMs.get(index)
    if (asked?.delete(peer) !== true) return false
    if (asked.size === 0) this.#askedMs.delete(index)
    return true
  }

  removePeer(peer: PeerId): void {
    for (const index of [...this.#askedMs.keys()]) this.remove(peer, index)
  }

  isAsked(index: number): boolean {
    return this.#askedMs.has(index)
  }

  askedFor(index: number): PeerId[] {
    return [...(this.#askedMs.get(index)?.keys() ?? [])]
  }

  /**
   * The one that has been waited for the longest, if that is too long. Each further peer gives the last one twice as long:
   * silent peers, however many, hold a chunk up but not for good.
   */
  late(peer: PeerId, hasChunk: HasChunk, nowMs: number, afterMs: number): number | undefined {
    let oldest: number | undefined
    let oldestMs = Infinity
    for (const [index, asked] of this.#askedMs) {
      if (asked.has(peer) || (hasChunk !== undefined && !hasChunk(index))) continue
      const lastMs = Math.max(...asked.values())
      if (nowMs - lastMs < afterMs * 2 ** (asked.size - 1) || lastMs >= oldestMs) continue
      oldest = index
      oldestMs = lastMs
    }
    return oldest
  }
}
