/**
 * How many chunks a peer may owe us at once: what it delivers in about a second. A fast peer never waits for our next request;
 * a slow one does not hold chunks that others could send. And from the same pace, when what it owes will have come. Pure; it does
 * not choose chunks (plan.ts).
 */
import type { PeerId } from '../../host/host.ts'

/** While nothing has arrived yet. */
const FIRST_CHUNKS = 2
/** A chunk takes so long, it is assumed then. */
const FIRST_CHUNK_MS = 250
const AHEAD_MS = 1_000
/** Of the time in which a peer owed us something: what lies further back counts for half, then a quarter. */
const MEMORY_MS = 4_000

export interface RequestWindow {
  sent(peer: PeerId, nowMs: number): void
  /** The request is over, with so many bytes: 0 when they did not come. Once for each `sent`. */
  ended(peer: PeerId, bytes: number, nowMs: number): void
  /** Chunks that it may owe us. */
  chunks(peer: PeerId): number
  /**
   * Milliseconds until the chunk at that place of what the peer owes has come (1: the next one). One that is overdue is expected
   * to stay away for as long again.
   */
  expectedMs(peer: PeerId, place: number, nowMs: number): number
}

interface Pace {
  owes: number
  bytes: number
  /** For which it owed us something. */
  busyMs: number
  /** Since when it is at its next chunk. */
  sinceMs: number
}

export function createRequestWindow(options: {
  chunkSize: number
  maxBytes: number
}): RequestWindow {
  const { chunkSize } = options
  const most = Math.max(FIRST_CHUNKS, Math.floor(options.maxBytes / chunkSize))
  const peers = new Map<PeerId, Pace>()

  function chunkMs(pace: Pace | undefined): number {
    if (pace === undefined) return FIRST_CHUNK_MS
    if (pace.bytes === 0) return Math.max(FIRST_CHUNK_MS, pace.busyMs)
    return (Math.max(1, pace.busyMs) / pace.bytes) * chunkSize
  }

  return {
    sent(peer, nowMs) {
      let pace = peers.get(peer)
      if (pace === undefined) {
        peers.set(peer, (pace = { owes: 0, bytes: 0, busyMs: 0, sinceMs: nowMs }))
      }
      if (pace.owes === 0) pace.sinceMs = nowMs
      pace.owes += 1
    },
    ended(peer, bytes, nowMs) {
      const pace = peers.get(peer)
      if (pace === undefined) return
      pace.owes -= 1
      if (bytes === 0 && pace.owes > 0) return // it is still at the same one
      pace.bytes += bytes
      pace.busyMs += nowMs - pace.sinceMs
      pace.sinceMs = nowMs
      if (pace.busyMs < MEMORY_MS) return
      pace.busyMs /= 2
      pace.bytes /= 2
    },
    chunks(peer) {
      const pace = peers.get(peer)
      if (pace === undefined || pace.bytes === 0) return Math.min(most, FIRST_CHUNKS)
      return Math.min(most, Math.ceil(AHEAD_MS / chunkMs(pace)))
    },
    expectedMs(peer, place, nowMs) {
      const pace = peers.get(peer)
      const each = chunkMs(pace)
      if (pace === undefined || pace.owes === 0) return place * each
      return (place - 1) * each + Math.abs(each - (nowMs - pace.sinceMs))
    },
  }
}
