/** Which of the peers that owe us chunks have sent next to nothing for a while. Pure but for the clock; it drops no peer. */
import type { Clock } from '../../timing/clock.ts'
import type { PeerId } from '../../host/host.ts'

/** One that owes chunks and sends less than this in that time holds a place that another could fill. */
const STALLED_MS = 5_000
const MIN_BYTES = 16 * 1024

export interface StalledPeers {
  /** To be asked again and again; `owes`: chunks that it has been asked for. */
  isStalled(peer: PeerId, owes: number): boolean
  forget(peer: PeerId): void
}

export function createStalledPeers(
  { clock }: { clock: Clock },
  receivedFrom: (peer: PeerId) => number,
): StalledPeers {
  const marks = new Map<PeerId, { bytes: number; atMs: number }>()
  return {
    isStalled(peer, owes) {
      const bytes = receivedFrom(peer)
      const mark = marks.get(peer)
      // The count begins anew when it has reconnected.
      const isMoving = mark === undefined || bytes < mark.bytes || bytes - mark.bytes >= MIN_BYTES
      if (owes > 0 && !isMoving) return clock.now() - mark.atMs >= STALLED_MS
      marks.set(peer, { bytes, atMs: clock.now() })
      return false
    },
    forget: (peer) => void marks.delete(peer),
  }
}
