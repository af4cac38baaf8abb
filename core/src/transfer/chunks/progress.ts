/**
 * Sums what has arrived from peers that come and go. The count of one peer begins anew when it has reconnected, and what a
 * peer sent before it left still counts: the total never shrinks.
 */
import type { PeerId } from '../../host/host.ts'

export interface Progress {
  /** Bytes from these peers, and from those given before, since each was first given. */
  total(peers: readonly PeerId[]): number
}

export function createProgress(receivedFrom: (peer: PeerId) => number): Progress {
  const seen = new Map<PeerId, number>()
  let total = 0
  return {
    total(peers) {
      for (const peer of peers) if (!seen.has(peer)) seen.set(peer, receivedFrom(peer))
      for (const [peer, before] of seen) {
        const now = receivedFrom(peer)
        total += now >= before ? now - before : now
        seen.set(peer, now)
      }
      return total
    },
  }
}
