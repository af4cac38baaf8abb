/**
 * One chunk of one artifact from one peer: asked for when our own limit allows it, and added to the assembly, which compares it
 * with its leaf. It never asks twice, and does not choose chunks (plan.ts).
 */
import { chunkLength } from '../../content/chunking.ts'
import { leafAt } from '../../content/merkle.ts'
import { CatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Clock } from '../../timing/clock.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import type { RequestWindow } from '../asking/request-window.ts'
import type { PeerScores } from '../peer-score.ts'
import type { RateLimit } from '../rate-limit.ts'
import type { Assembly } from './assembly.ts'
import type { ChunkPool } from './chunk-pool.ts'

export interface ChunkFetcherDeps {
  readonly links: PeerLinks
  readonly scores: PeerScores
  readonly clock: Clock
  readonly limitOf: (peer: PeerId) => RateLimit
  readonly pool: ChunkPool
}

export interface ChunkFetcher {
  /**
   * Resolves to the bytes that came, 0 when the chunk was there already. A peer whose chunk does not match its leaf is punished.
   * @throws CatalogError what the peer said or did instead; `signal.reason`
   */
  fetch(peer: PeerId, index: number, signal: AbortSignal): Promise<number>
  /** Requests that our own limit holds back. */
  readonly heldBack: number
}

export function createChunkFetcher(
  assembly: Assembly,
  deps: ChunkFetcherDeps,
  { leaves, window }: { leaves: Uint8Array; window: RequestWindow },
): ChunkFetcher {
  const { geometry } = assembly
  let heldBack = 0

  async function ask(peer: PeerId, index: number, signal: AbortSignal): Promise<Uint8Array> {
    const { links, clock } = deps
    const chunk = { index, size: chunkLength(geometry, index), leaf: leafAt(leaves, index) }
    let received = 0
    window.sent(peer, clock.now())
    try {
      const stream = await links.stream(peer, 'bulk')
      const bytes = await stream.wantChunk(geometry.digest, chunk, { signal })
      received = chunk.size
      return bytes
    } finally {
      window.ended(peer, received, clock.now())
    }
  }

  async function takeLimit(limit: RateLimit, bytes: number, signal: AbortSignal): Promise<void> {
    heldBack++
    try {
      await limit.take(bytes, signal)
    } finally {
      heldBack--
    }
  }

  return {
    async fetch(peer, index, signal) {
      const { scores, pool } = deps
      const limit = deps.limitOf(peer)
      const length = chunkLength(geometry, index)
      await takeLimit(limit, length, signal)
      if (assembly.has(index)) {
        limit.spend(-length)
        return 0
      }
      const bytes = await ask(peer, index, signal).catch((error: unknown) => {
        limit.spend(-length) // its holder leaves out what is cancelled, but for one that it is writing
        throw error
      })
      if (!(await assembly.add(index, bytes, () => pool.give(bytes)))) {
        scores.penalize(peer, 'a chunk that does not match its manifest')
        throw new CatalogError('PEER_MISBEHAVED', 'a chunk does not match its manifest', { peer })
      }
      return length
    },
    get heldBack() {
      return heldBack
    },
  }
}
