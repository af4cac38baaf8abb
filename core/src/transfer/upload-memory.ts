/**
 * Bounds the bytes read for answers that are still on their way, for all peers together and for each: readers that take
 * nothing must not make us hold a chunk for every request they can open. Beyond it the answer is BUSY, so that whoever asks
 * in earnest turns to somebody else at once.
 */
import type { PeerId } from '../host/host.ts'

export interface UploadMemory {
  /** `act` with so many bytes held; 'busy' when they are not to be had. */
  hold<T>(peer: PeerId, bytes: number, act: () => Promise<T>): Promise<T | 'busy'>
}

export function createUploadMemory(options: {
  maxBytes: number
  maxBytesPerPeer: number
}): UploadMemory {
  const peers = new Map<PeerId, number>()
  let held = 0

  function take(peer: PeerId, bytes: number): void {
    const left = (peers.get(peer) ?? 0) + bytes
    if (left === 0) peers.delete(peer)
    else peers.set(peer, left)
    held += bytes
  }

  return {
    async hold(peer, bytes, act) {
      const isTooMuch = (already: number, max: number): boolean =>
        already > 0 && already + bytes > max
      if (isTooMuch(held, options.maxBytes)) return 'busy'
      if (isTooMuch(peers.get(peer) ?? 0, options.maxBytesPerPeer)) return 'busy'
      take(peer, bytes)
      try {
        return await act()
      } finally {
        take(peer, -bytes)
      }
    },
  }
}
