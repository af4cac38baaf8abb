/**
 * Gathers peers for the chunks of one artifact: the one whose manifest was taken, and others that agree to it, also those
 * that come to hold it meanwhile. Keeps account of who answers for that manifest, for the case that it turns out to be a lie.
 */
import type { Digest } from '../content/digest.ts'
import type { PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { ChunkPeers } from './chunk-download.ts'
import { askClaim, sameManifest, type Claim, type HolderDeps } from './holders.ts'

/** Peers that are asked for chunks of one artifact. */
const MAX_CHUNK_PEERS = 8
/** Between two looks at what a peer that is still downloading has got, and at who else has begun to. */
const REFRESH_MS = 300

export interface GatheredPeers extends ChunkPeers {
  /** Those that say they hold all of it. */
  readonly vouchers: ReadonlySet<PeerId>
  /** All that sent this manifest. */
  readonly asked: ReadonlySet<PeerId>
}

/** @param holders peers that hold the artifact by now, best first */
export function gatherPeers(
  first: Claim,
  holders: () => readonly PeerId[],
  deps: HolderDeps & { log: Logger },
  signal: AbortSignal,
): GatheredPeers {
  const digest: Digest = first.manifest.digest
  const vouchers = new Set<PeerId>()
  const asked = new Set<PeerId>()
  /** Asked for their manifest, whatever came of it. */
  const approached = new Set<PeerId>([first.peer])
  const joined = new Map<PeerId, Claim['has']>()
  let listener: ((peer: PeerId, has: Claim['has']) => void) | undefined

  function join(claim: Claim): void {
    asked.add(claim.peer)
    if (claim.has === undefined) vouchers.add(claim.peer)
    else void ask(claim.peer, REFRESH_MS) // what is still arriving there grows
    joined.set(claim.peer, claim.has)
    listener?.(claim.peer, claim.has)
  }

  async function ask(peer: PeerId, afterMs: number): Promise<void> {
    try {
      if (afterMs > 0) await deps.clock.sleep(afterMs, signal)
      const claim = await askClaim(peer, digest, deps, signal)
      if (signal.aborted) return
      if (sameManifest(claim.manifest, first.manifest)) join(claim)
      else deps.log.warn('download.manifests-differ', { digest, peer, other: first.peer })
    } catch (error) {
      if (!signal.aborted) deps.log.debug('download.claim-failed', { digest, peer, error })
    }
  }

  async function look(): Promise<void> {
    while (!signal.aborted && approached.size < MAX_CHUNK_PEERS) {
      for (const peer of holders()) {
        if (approached.size >= MAX_CHUNK_PEERS) return
        if (approached.has(peer)) continue
        approached.add(peer)
        void ask(peer, 0)
      }
      await deps.clock.sleep(REFRESH_MS, signal)
    }
  }

  join(first)
  look().catch((error: unknown) => {
    if (!signal.aborted) deps.log.error('download.gather-failed', { digest, error })
  })
  return {
    vouchers,
    asked,
    onPeer(added) {
      listener = added
      for (const [peer, has] of joined) added(peer, has)
    },
  }
}
