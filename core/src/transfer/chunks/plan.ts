/**
 * Which peer is asked for which chunk: pure bookkeeping for one artifact and several peers, no IO, no timers. Chunks are
 * asked for within a window after the first missing one, that one first, then rarest first. When none is left, a peer that would wait takes over what
 * another would send much later: no peer is called slow, it is only not waited for.
 */
import type { PeerId } from '../../host/host.ts'

export interface PlanOptions {
  readonly chunks: number
  /** Chunks asked for beyond the first missing one, at most: bounds what waits in memory for its turn. */
  readonly window: number
  /** Where to begin with a peer that many ask at once, 0 to 1 of AHEAD_CHUNKS; undefined for others. */
  readonly from?: (peer: PeerId) => number | undefined
  /** Chunks that a peer may owe us at once, just now. */
  readonly perPeer: (peer: PeerId) => number
}

/** Milliseconds until the chunk at that place of what the peer owes comes; 1 is the next one. */
export type ExpectedMs = (peer: PeerId, place: number) => number

/** A chunk that is under way is asked for again from a peer that would take less than half as long, and spare us so much. */
const SOONER = 2
const WORTH_MS = 50

/**
 * Machines that ask one peer for all of it begin apart within so many chunks. No more: until the first missing one has come none
 * behind it can be hashed in order, and their memory stays lent.
 */
const AHEAD_CHUNKS = 16

export interface Plan {
  /** `hasChunk` undefined: the peer holds all of it. */
  addPeer(peer: PeerId, hasChunk: ((index: number) => boolean) | undefined): void
  removePeer(peer: PeerId): void
  readonly peers: readonly PeerId[]
  /** The next chunk to ask `peer` for, or undefined when it should wait. */
  next(peer: PeerId, expectedMs: ExpectedMs): number | undefined
  asked(peer: PeerId, index: number): void
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
  readonly #peers = new Map<PeerId, { hasChunk: HasChunk; readonly owes: Set<number> }>()
  /** Which peers have been asked for a chunk. */
  readonly #askers = new Map<number, Set<PeerId>>()
  #presentCount = 0
  #firstMissing = 0

  constructor(options: PlanOptions) {
    this.#options = options
    this.#present = new Uint8Array(options.chunks)
  }

  addPeer(peer: PeerId, hasChunk: HasChunk): void {
    const known = this.#peers.get(peer)
    if (known === undefined) this.#peers.set(peer, { hasChunk, owes: new Set() })
    else known.hasChunk = hasChunk
  }

  removePeer(peer: PeerId): void {
    for (const index of this.#peers.get(peer)?.owes ?? []) this.failed(peer, index)
    this.#peers.delete(peer)
  }

  get peers(): readonly PeerId[] {
    return [...this.#peers.keys()]
  }

  next(peer: PeerId, expectedMs: ExpectedMs): number | undefined {
    const state = this.#peers.get(peer)
    if (state === undefined || this.complete) return undefined
    if (state.owes.size >= this.#options.perPeer(peer)) return undefined
    return this.#rarestMissing(peer, state.hasChunk) ?? this.#latest(peer, expectedMs)
  }

  asked(peer: PeerId, index: number): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    state.owes.add(index)
    const askers = this.#askers.get(index)
    if (askers === undefined) this.#askers.set(index, new Set([peer]))
    else askers.add(peer)
  }

  owes(peer: PeerId): number {
    return this.#peers.get(peer)?.owes.size ?? 0
  }

  failed(peer: PeerId, index: number): void {
    this.#peers.get(peer)?.owes.delete(index)
    const askers = this.#askers.get(index)
    askers?.delete(peer)
    if (askers?.size === 0) this.#askers.delete(index)
  }

  arrived(index: number): boolean {
    for (const peer of this.#askers.get(index) ?? []) this.failed(peer, index)
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

  /**
   * Of those within the window that nobody has been asked for; the first missing one before all others, since what is behind it
   * waits for it in memory. (But not of a peer that many ask: it would send that one to each of them.)
   */
  #rarestMissing(peer: PeerId, hasChunk: HasChunk): number | undefined {
    const { chunks, window } = this.#options
    const start = this.#firstMissing
    const length = Math.min(chunks - start, window)
    const from = this.#options.from?.(peer)
    const turned = Math.min(length, AHEAD_CHUNKS)
    const ahead = Math.floor((from ?? 0) * turned)
    const allHaveAll = [...this.#peers.values()].every((peer) => peer.hasChunk === undefined)
    let best: number | undefined
    let bestHolders = Infinity
    for (let step = 0; step < length; step++) {
      const index = start + (step < turned ? (ahead + step) % turned : step)
      if (this.isPresent(index) || this.#askers.has(index)) continue
      if (hasChunk !== undefined && !hasChunk(index)) continue
      if (allHaveAll || (from === undefined && index === start)) return index
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

  /**
   * Of the chunks under way, the one that would come last from those asked for it, if `peer` would be much sooner. Peers that stay
   * silent hold it up but not for good, however many: each one more has to have been silent for longer than the last.
   */
  #latest(peer: PeerId, expectedMs: ExpectedMs): number | undefined {
    const { hasChunk, owes } = this.#peers.get(peer) ?? { owes: new Set() }
    let latest: number | undefined
    let latestMs = SOONER * expectedMs(peer, owes.size + 1) + WORTH_MS
    for (const [index, soonestMs] of this.#underWay(expectedMs)) {
      if (owes.has(index) || soonestMs < latestMs) continue
      if (hasChunk !== undefined && !hasChunk(index)) continue
      latest = index
      latestMs = soonestMs
    }
    return latest
  }

  /** When each chunk that has been asked for would come, from the quickest of those who owe it. */
  #underWay(expectedMs: ExpectedMs): Map<number, number> {
    const soonest = new Map<number, number>()
    for (const [peer, { owes }] of this.#peers) {
      let place = 0
      for (const index of owes) {
        const ms = expectedMs(peer, ++place)
        soonest.set(index, Math.min(ms, soonest.get(index) ?? Infinity))
      }
    }
    return soonest
  }
}
