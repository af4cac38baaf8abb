/**
 * Bounds the number of artifacts that move in bulk to or from one peer at the same time. A slot is held while anything of its
 * artifact is under way and free immediately after: many large artifacts one after another are no reason to refuse one.
 */
import type { Digest } from '../../content/digest.ts'
import type { PeerId } from '../../host/host.ts'

export interface BulkSlots {
  /** False when all slots of the peer are taken by other artifacts. Release once for each take. */
  take(peer: PeerId, digest: Digest): boolean
  release(peer: PeerId, digest: Digest): void
  /** Artifacts under way with the peer. */
  taken(peer: PeerId): number
}

export function createBulkSlots(maxPerPeer: number): BulkSlots {
  /** Times taken, by artifact, by peer. */
  const peers = new Map<PeerId, Map<Digest, number>>()

  return {
    take(peer, digest) {
      const artifacts = peers.get(peer) ?? new Map<Digest, number>()
      const times = artifacts.get(digest) ?? 0
      if (times === 0 && artifacts.size >= maxPerPeer) return false
      artifacts.set(digest, times + 1)
      peers.set(peer, artifacts)
      return true
    },
    release(peer, digest) {
      const artifacts = peers.get(peer)
      const times = artifacts?.get(digest)
      if (artifacts === undefined || times === undefined) throw new Error('a place nobody took')
      if (times > 1) artifacts.set(digest, times - 1)
      else artifacts.delete(digest)
      if (artifacts.size === 0) peers.delete(peer)
    },
    taken: (peer) => peers.get(peer)?.size ?? 0,
  }
}
