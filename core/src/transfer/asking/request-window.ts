/**
 * How many chunks a peer may owe us at once: what it delivers in about a second. A fast peer never waits for our next request;
 * a slow one does not hold chunks that others could send. Pure; it does not choose chunks (plan.ts).
 */
import type { PeerId } from '../../host/host.ts'

/** While nothing has arrived yet. */
const FIRST_CHUNKS = 4
const MIN_CHUNKS = 2
const AHEAD_MS = 1_000

export interface RequestWindow {
  sent(peer: PeerId, nowMs: number): void
  arrived(peer: PeerId, bytes: number, nowMs: number): void
  /** Chunks that it may owe us. */
  chunks(peer: PeerId): number
}

export function createRequestWindow(options: {
  chunkSize: number
  maxBytes: number
}): RequestWindow {
  const { chunkSize } = options
  const most = Math.max(MIN_CHUNKS, Math.floor(options.maxBytes / chunkSize))
  const peers = new Map<PeerId, { sinceMs: number; bytes: number; nowMs: number }>()

  return {
    sent(peer, nowMs) {
      if (!peers.has(peer)) peers.set(peer, { sinceMs: nowMs, bytes: 0, nowMs })
    },
    arrived(peer, bytes, nowMs) {
      const pace = peers.get(peer)
      if (pace === undefined) return
      pace.bytes += bytes
      pace.nowMs = nowMs
    },
    chunks(peer) {
      const pace = peers.get(peer)
      if (pace === undefined || pace.bytes === 0) return Math.min(most, FIRST_CHUNKS)
      const elapsedMs = Math.max(1, pace.nowMs - pace.sinceMs)
      const ahead = Math.ceil(((pace.bytes / elapsedMs) * AHEAD_MS) / chunkSize) + 1
      return Math.min(most, Math.max(MIN_CHUNKS, ahead))
    },
  }
}
