/**
 * One manifest that peers claim for an artifact, and the download of its chunks from those who claim the same. It knows how far
 * it has come as a share of what is claimed, so that a huge claim with a trickle of bytes counts for the little that it is.
 * A peer is given credit for its chunks only when the whole has matched.
 */
import type { PeerId } from '../../host/host.ts'
import { isCatalogError } from '../../errors.ts'
import type { Visibility } from '../../content/visibility.ts'
import type { Assembly } from '../chunks/assembly.ts'
import { downloadChunks } from '../chunks/chunk-download.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { isSameClaim, requestArtifact, type ManifestClaim } from './ask-peer.ts'
import { remainingMs } from './pace.ts'

/** Peers that are asked for chunks of one manifest. */
export const MAX_CHUNK_PEERS = 8
/** More that claim the same wait for the place of one that leaves; beyond that they are not needed. */
const MAX_SPARES = 32
/** Between two looks at what a peer that is still downloading has got. */
const REFRESH_MS = 300

export interface Candidate {
  readonly claim: Pick<ManifestClaim, 'geometry' | 'leaves'>
  /** All that sent this manifest; `true` for those that say they hold all of it, and so answer for it. */
  readonly claimants: ReadonlyMap<PeerId, boolean>
  /** One of them has sent good bytes before, and none that were not. */
  readonly isProven: boolean
  /** Those that are asked for chunks. */
  readonly chunkPeers: number
  /** Takes part, at once or when there is a place. */
  join(claim: ManifestClaim): void
  /** Undefined until the store has made place for it. */
  readonly assembly: Assembly | undefined
  readonly ageMs: number
  /** Of the claimed size, 0 to 1. */
  readonly share: number
  /** Since the last chunk came; it stands still once it has been dropped. */
  readonly idleMs: number
  /** Until it is complete at its pace so far, more when it has fallen silent; Infinity while nothing has come. */
  readonly remainingMs: number
  /** The assembly, once the sha512 has matched. */
  readonly verified: Promise<Assembly>
  /** Ends it, unless it has matched. Settles when it has let go of everything. */
  drop(reason: Error, options: { keep: boolean }): Promise<void>
}

type HasChunk = ManifestClaim['hasChunk']

export function startCandidate(
  first: ManifestClaim,
  deps: TransferDeps,
  visibility: Visibility,
): Candidate {
  const { geometry, leaves } = first
  const claimants = new Map<PeerId, boolean>()
  const chunkPeers = new Map<PeerId, HasChunk>()
  const spares = new Map<PeerId, HasChunk>()
  const receivedBytes = new Map<PeerId, number>()
  const stop = new AbortController()
  const startedMs = deps.clock.now()
  let landedMs = startedMs
  let droppedMs: number | undefined
  let keep = true
  let assembly: Assembly | undefined
  let resumedShare = 0
  let onPeer: ((peer: PeerId, has: HasChunk) => void) | undefined

  function join(claim: ManifestClaim): void {
    const { peer, hasChunk } = claim
    claimants.set(peer, hasChunk === undefined)
    if (chunkPeers.has(peer) || chunkPeers.size < MAX_CHUNK_PEERS) admit(peer, hasChunk)
    else if (spares.size < MAX_SPARES) spares.set(peer, hasChunk)
  }

  function admit(peer: PeerId, hasChunk: HasChunk): void {
    chunkPeers.set(peer, hasChunk)
    onPeer?.(peer, hasChunk)
    if (hasChunk !== undefined) void refresh(peer)
  }

  function left(peer: PeerId): void {
    if (!chunkPeers.delete(peer)) return
    for (const [spare, hasChunk] of spares) {
      spares.delete(spare)
      if (deps.scores.isBanned(spare)) continue
      return admit(spare, hasChunk)
    }
  }

  /** What is still arriving at a peer grows. */
  async function refresh(peer: PeerId): Promise<void> {
    try {
      await deps.clock.sleep(REFRESH_MS, stop.signal)
      if (!chunkPeers.has(peer)) return
      const answer = await requestArtifact(peer, geometry.digest, deps, { signal: stop.signal })
      if (!chunkPeers.has(peer) || answer.kind !== 'claim') return
      if (isSameClaim(answer.claim, first)) join(answer.claim)
    } catch (error) {
      if (stop.signal.aborted) return
      deps.log.debug('download.claim-failed', { digest: geometry.digest, peer, error })
    }
  }

  async function run(): Promise<Assembly> {
    const opened = await deps.assemblies.open(geometry, leaves, visibility)
    assembly = opened
    try {
      stop.signal.throwIfAborted()
      const present = await opened.resume()
      resumedShare = opened.share
      landedMs = deps.clock.now()
      await downloadChunks(
        opened,
        {
          onPeer(listener) {
            onPeer = listener
            for (const [peer, has] of [...chunkPeers]) listener(peer, has)
          },
          left,
          get hasSpares() {
            return spares.size > 0
          },
        },
        deps,
        { leaves, present, signal: stop.signal, onChunk: count },
      )
      await opened.verified
    } catch (error) {
      await opened.fail(error, { keep: keep && !isCatalogError(error, 'STORE_CORRUPT') })
      if (!opened.isVerified) throw error
    }
    for (const [peer, bytes] of receivedBytes) deps.scores.answered(peer, { bytes })
    return opened
  }

  function count(peer: PeerId, bytes: number): void {
    landedMs = deps.clock.now()
    receivedBytes.set(peer, (receivedBytes.get(peer) ?? 0) + bytes)
  }

  join(first)
  const verified = run().finally(() => stop.abort(new Error('the download is over')))
  verified.catch(() => undefined) // whoever took it sees it; it may be dropped before

  return {
    claim: { geometry, leaves },
    claimants,
    get chunkPeers() {
      return chunkPeers.size
    },
    get isProven() {
      const { receivedBytes, strikes } = deps.scores
      return [...claimants.keys()].some((peer) => receivedBytes(peer) > 0 && strikes(peer) === 0)
    },
    join,
    get assembly() {
      return assembly
    },
    get ageMs() {
      return deps.clock.now() - startedMs
    },
    get idleMs() {
      return (droppedMs ?? deps.clock.now()) - landedMs
    },
    get share() {
      return assembly?.share ?? 0
    },
    get remainingMs() {
      const share = assembly?.share ?? 0
      const now = deps.clock.now()
      return remainingMs(share, share - resumedShare, now - startedMs, now - landedMs)
    },
    verified,
    async drop(reason, options) {
      keep = options.keep
      droppedMs ??= deps.clock.now()
      stop.abort(reason)
      await Promise.allSettled([verified])
    },
  }
}
