/**
 * The peers that claim one manifest, and which of them are asked for its chunks: the first so many, and another that claims
 * the same for each that leaves. Bounded; asks nobody itself.
 */
import type { PeerId } from '../../host/host.ts'
import type { ChunkPeers } from '../chunks/chunk-download.ts'
import type { PeerScores } from '../peer-score.ts'
import type { ManifestClaim } from './ask-peer.ts'

/** Peers that are asked for chunks of one manifest. */
export const MAX_CHUNK_PEERS = 8
/** More that claim the same wait for the place of one that leaves; beyond that they are not needed. */
const MAX_SPARES = 32

type HasChunk = ManifestClaim['hasChunk']

export class Claimants implements ChunkPeers {
  readonly #scores: PeerScores
  readonly #onIncomplete: (peer: PeerId) => void
  readonly #all = new Map<PeerId, boolean>()
  readonly #active = new Map<PeerId, HasChunk>()
  readonly #spares = new Map<PeerId, HasChunk>()
  #onPeer: ((peer: PeerId, hasChunk: HasChunk) => void) | undefined

  /** @param onIncomplete a peer is asked from now on that has not got all of it yet */
  constructor(scores: PeerScores, onIncomplete: (peer: PeerId) => void) {
    this.#scores = scores
    this.#onIncomplete = onIncomplete
  }

  /** All that sent this manifest; `true` for those that say they hold all of it, and so answer for it. */
  get all(): ReadonlyMap<PeerId, boolean> {
    return this.#all
  }

  /** Peers that are asked for chunks. */
  get active(): number {
    return this.#active.size
  }

  get hasSpares(): boolean {
    return this.#spares.size > 0
  }

  isActive(peer: PeerId): boolean {
    return this.#active.has(peer)
  }

  /** Takes part, at once or when there is a place. */
  join({ peer, hasChunk }: ManifestClaim): void {
    this.#all.set(peer, hasChunk === undefined)
    if (this.#active.has(peer) || this.#active.size < MAX_CHUNK_PEERS) this.#admit(peer, hasChunk)
    else if (this.#spares.size < MAX_SPARES) this.#spares.set(peer, hasChunk)
  }

  onPeer(listener: (peer: PeerId, hasChunk: HasChunk) => void): void {
    this.#onPeer = listener
    for (const [peer, hasChunk] of [...this.#active]) listener(peer, hasChunk)
  }

  left(peer: PeerId): void {
    if (!this.#active.delete(peer)) return
    for (const [spare, hasChunk] of this.#spares) {
      this.#spares.delete(spare)
      if (!this.#scores.isBanned(spare)) return this.#admit(spare, hasChunk)
    }
  }

  #admit(peer: PeerId, hasChunk: HasChunk): void {
    this.#active.set(peer, hasChunk)
    this.#onPeer?.(peer, hasChunk)
    if (hasChunk !== undefined) this.#onIncomplete(peer)
  }
}
