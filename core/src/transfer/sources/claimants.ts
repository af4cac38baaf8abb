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

/** Undefined: all of them. */
type Present = ManifestClaim['present']
type HasChunk = ((index: number) => boolean) | undefined

export class Claimants implements ChunkPeers {
  readonly #scores: PeerScores
  readonly #onIncomplete: (peer: PeerId, chunks: number) => void
  readonly #all = new Map<PeerId, boolean>()
  readonly #active = new Map<PeerId, Present>()
  /** Those that many ask for all of it at once. */
  readonly #shared = new Set<PeerId>()
  readonly #spares = new Map<PeerId, Present>()
  #onPeer: ((peer: PeerId, hasChunk: HasChunk) => void) | undefined

  /** @param onIncomplete a peer is asked from now on that has not got all of it yet, but so many chunks */
  constructor(scores: PeerScores, onIncomplete: (peer: PeerId, chunks: number) => void) {
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

  isShared(peer: PeerId): boolean {
    return this.#shared.has(peer)
  }

  isActive(peer: PeerId): boolean {
    return this.#active.has(peer)
  }

  /** Takes part, at once or when there is a place. */
  join({ peer, present, isForMany = false }: ManifestClaim): void {
    this.#all.set(peer, present === undefined)
    if (isForMany) this.#shared.add(peer)
    if (this.#active.has(peer) || this.#active.size < MAX_CHUNK_PEERS) this.#admit(peer, present)
    else if (this.#spares.size < MAX_SPARES) this.#spares.set(peer, present)
  }

  onPeer(listener: (peer: PeerId, hasChunk: HasChunk) => void): void {
    this.#onPeer = listener
    for (const [peer, present] of [...this.#active]) listener(peer, hasChunkOf(present))
  }

  left(peer: PeerId): void {
    if (!this.#active.delete(peer)) return
    for (const [spare, present] of this.#spares) {
      this.#spares.delete(spare)
      if (!this.#scores.isBanned(spare)) return this.#admit(spare, present)
    }
  }

  #admit(peer: PeerId, present: Present): void {
    this.#active.set(peer, present)
    this.#onPeer?.(peer, hasChunkOf(present))
    if (present !== undefined) this.#onIncomplete(peer, present.count)
  }
}

function hasChunkOf(present: Present): HasChunk {
  return present && ((index) => present.has(index))
}
