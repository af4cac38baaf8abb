/**
 * Who is asked for which chunk: pure bookkeeping for one artifact and several peers, no IO, no timers. Chunks are asked
 * for within a window after the first missing one, rarest first; near the end, chunks that are late are asked for again
 * from another peer.
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
  /** `has` undefined: the peer holds all of it. */
  addPeer(peer: PeerId, has: ((index: number) => boolean) | undefined): void
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

interface LateAt {
  readonly nowMs: number
  /** Age at which a chunk counts as late that one peer has been asked for. */
  readonly afterMs: number
}

export function createPlan(options: PlanOptions): Plan {
  const { chunks, window, perPeer } = options
  const present = new Uint8Array(chunks)
  const askers = new Map<number, Map<PeerId, number>>()
  const peers = new Map<PeerId, { has: ((index: number) => boolean) | undefined; owes: number }>()
  let presentCount = 0
  let firstMissing = 0

  function rarity(index: number): number {
    let holders = 0
    for (const peer of peers.values()) if (peer.has === undefined || peer.has(index)) holders++
    return holders
  }

  function pickMissing(has: ((index: number) => boolean) | undefined): number | undefined {
    const end = Math.min(chunks, firstMissing + window)
    const allHaveAll = [...peers.values()].every((peer) => peer.has === undefined)
    let best: number | undefined
    let bestRarity = Infinity
    for (let index = firstMissing; index < end; index++) {
      if (present[index] === 1 || (askers.get(index)?.size ?? 0) > 0) continue
      if (has !== undefined && !has(index)) continue
      if (allHaveAll) return index
      const holders = rarity(index)
      if (holders < bestRarity) {
        best = index
        bestRarity = holders
      }
    }
    return best
  }

  /** Each further asker has the last one given twice as long: silent peers, however many, hold a chunk up but not for good. */
  function pickLate(peer: PeerId, has: ((index: number) => boolean) | undefined, late: LateAt) {
    let oldest: number | undefined
    let oldestMs = Infinity
    for (const [index, asked] of askers) {
      if (asked.has(peer) || (has !== undefined && !has(index))) continue
      const lastMs = Math.max(...asked.values())
      if (late.nowMs - lastMs < late.afterMs * 2 ** (asked.size - 1) || lastMs >= oldestMs) continue
      oldest = index
      oldestMs = lastMs
    }
    return oldest
  }

  function forget(peer: PeerId, index: number): void {
    const asked = askers.get(index)
    if (asked?.delete(peer) !== true) return
    if (asked.size === 0) askers.delete(index)
    const state = peers.get(peer)
    if (state !== undefined) state.owes--
  }

  return {
    addPeer(peer, has) {
      peers.set(peer, { has, owes: peers.get(peer)?.owes ?? 0 })
    },
    removePeer(peer) {
      for (const index of [...askers.keys()]) forget(peer, index)
      peers.delete(peer)
    },
    get peers() {
      return [...peers.keys()]
    },
    next(peer, nowMs, lateAfterMs) {
      const state = peers.get(peer)
      if (state === undefined || presentCount === chunks) return undefined
      if (state.owes >= perPeer(peer)) return undefined
      return pickMissing(state.has) ?? pickLate(peer, state.has, { nowMs, afterMs: lateAfterMs })
    },
    asked(peer, index, nowMs) {
      const state = peers.get(peer)
      if (state === undefined) return
      let asked = askers.get(index)
      if (asked === undefined) askers.set(index, (asked = new Map<PeerId, number>()))
      if (!asked.has(peer)) state.owes++
      asked.set(peer, nowMs)
    },
    sent(peer, index, nowMs) {
      const asked = askers.get(index)
      if (asked?.has(peer) === true) asked.set(peer, nowMs)
    },
    owes: (peer) => peers.get(peer)?.owes ?? 0,
    failed: forget,
    arrived(index) {
      for (const peer of [...(askers.get(index)?.keys() ?? [])]) forget(peer, index)
      if (present[index] === 1) return false
      present[index] = 1
      presentCount++
      while (firstMissing < chunks && present[firstMissing] === 1) firstMissing++
      return true
    },
    isPresent: (index) => present[index] === 1,
    get present() {
      return presentCount
    },
    get complete() {
      return presentCount === chunks
    },
    get firstMissing() {
      return firstMissing
    },
  }
}
