/**
 * Asking peers for an artifact: one attempt a peer for the hedge, and the others' consent to a manifest so that they can
 * send chunks of it too.
 */
import { digestOf, type Digest } from '../content/digest.ts'
import type { Manifest } from '../content/manifest.ts'
import { merkleRoot } from '../content/merkle.ts'
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import type { ManifestAnswer } from '../wire/messages.ts'
import type { Attempt } from './hedge.ts'
import type { PeerLinks } from './peer-link.ts'
import type { PeerScores } from './peer-score.ts'
import type { RateLimit } from './rate-limit.ts'

/** What a peer answered: verified bytes, or a manifest that is a claim until the whole has been verified. */
export type PeerAnswer =
  | { readonly kind: 'whole'; readonly peer: PeerId; readonly bytes: Uint8Array }
  | { readonly kind: 'claim'; readonly claim: Claim }

export interface Claim {
  readonly peer: PeerId
  readonly manifest: Manifest
  readonly leaves: Uint8Array
  /** Undefined: the peer says it holds all of it, and so answers for the manifest. */
  readonly has: ((index: number) => boolean) | undefined
}

export interface HolderDeps {
  readonly links: PeerLinks
  readonly scores: PeerScores
  readonly clock: Clock
  readonly limitOf: (peer: PeerId) => RateLimit
}

/** Bytes within one hedge interval that count as progress. */
const PROGRESS_BYTES = 8 * 1024
/** However much moves, an answer that takes longer is late: other answers may be what moves. */
const MAX_PROGRESS_MS = 2_000

export function askPeer(peer: PeerId, digest: Digest, deps: HolderDeps): Attempt<PeerAnswer> {
  const { links, scores, clock } = deps
  /** When the request left; undefined while our own limit holds it back. */
  let askedMs: number | undefined
  let seenBytes = links.receivedBytes(peer)
  return {
    hedgeMs: scores.hedgeMs(peer),
    isProgressing() {
      if (askedMs === undefined) return true // no fault of the peer, and another one would have to wait too
      const now = links.receivedBytes(peer)
      const moved = now - seenBytes
      seenBytes = now
      return moved >= PROGRESS_BYTES && clock.now() - askedMs < MAX_PROGRESS_MS
    },
    onLate: () => scores.late(peer),
    async run(signal) {
      try {
        return await want(peer, digest, deps, { signal, onAsked: () => (askedMs = clock.now()) })
      } catch (error) {
        if (!signal.aborted && !isCatalogError(error, 'NOT_FOUND')) scores.late(peer)
        throw error
      }
    },
  }
}

async function want(
  peer: PeerId,
  digest: Digest,
  deps: HolderDeps,
  { signal, onAsked }: { signal: AbortSignal; onAsked?: () => void },
): Promise<PeerAnswer> {
  const { links, scores, clock } = deps
  const limit = deps.limitOf(peer)
  await limit.take(0, signal) // how much it is, the answer will say
  onAsked?.()
  const startedMs = clock.now()
  const stream = await links.stream(peer, 'session')
  const { manifest, bytes } = await stream.want(digest, { signal })
  if (bytes === undefined) return { kind: 'claim', claim: toClaim(peer, digest, manifest) }
  limit.spend(bytes.byteLength)
  if (digestOf(bytes) !== digest) {
    scores.lied(peer, 'bytes that are not what the digest names')
    throw new CatalogError('PEER_MISBEHAVED', 'the bytes are not what the digest names', { peer })
  }
  scores.answered(peer, { answerMs: clock.now() - startedMs, bytes: bytes.byteLength })
  return { kind: 'whole', peer, bytes }
}

/** A claim of the peer about the digest, or a rejection; for peers beyond the first. */
export async function askClaim(
  peer: PeerId,
  digest: Digest,
  deps: HolderDeps,
  signal: AbortSignal,
): Promise<Claim> {
  const answer = await want(peer, digest, deps, { signal })
  if (answer.kind === 'claim') return answer.claim
  throw new CatalogError('PEER_REFUSED', 'the peer cuts the artifact otherwise', { peer })
}

export function sameManifest(a: Manifest, b: Manifest): boolean {
  return a.size === b.size && a.chunkSize === b.chunkSize && Buffer.compare(a.root, b.root) === 0
}

function toClaim(peer: PeerId, digest: Digest, answer: ManifestAnswer): Claim {
  const { size, chunkSize, leaves, present } = answer
  const manifest = { digest, size, chunkSize, root: merkleRoot(leaves) }
  return { peer, manifest, leaves, has: present && ((index) => present.has(index)) }
}
