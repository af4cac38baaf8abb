/**
 * Asking one peer for one artifact. What it answers is either the whole, which is checked here, or a manifest: that is a
 * claim, and stays one until the sha512 of all its chunks has matched. Asked by name it sends the registry's signature along.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { digestOf, type Digest } from '../../content/digest.ts'
import { nameKeyOf, type NameKey } from '../../content/name-key.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Records } from '../../records/records.ts'
import type { Attempt } from './hedge.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import type { PeerScores } from '../peer-score.ts'
import { unlimited, type RateLimit } from '../rate-limit.ts'

/** What a peer says about an artifact that it has not sent. */
export interface ManifestClaim {
  readonly peer: PeerId
  readonly geometry: ArtifactGeometry
  /** SHA-256 of each chunk, concatenated. */
  readonly leaves: Uint8Array
  /** Undefined: the peer says it holds all of it, and so answers for the manifest. */
  readonly present: Bitfield | undefined
  /** Others ask the same peer for all of it at the same time. */
  readonly isForMany?: boolean
}

export type PeerAnswer =
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  | { readonly kind: 'claim'; readonly claim: ManifestClaim }

export interface AskDeps {
  readonly links: PeerLinks
  readonly scores: PeerScores
  readonly records: Pick<Records, 'add'>
  readonly clock: Clock
  readonly limitOf: (peer: PeerId) => RateLimit
}

export interface AskOptions {
  /** It has failed once, which has been recorded. */
  readonly isRetry: boolean
  /** Of a version that the peer lists, and of which there is no record here. */
  readonly name: NameKey | undefined
}

/** Bytes within one hedge interval that count as progress. */
const PROGRESS_BYTES = 8 * 1024
/** However much moves, an answer that takes longer is late: other answers may be what moves. */
const MAX_PROGRESS_MS = 2_000

/** Since when peers that are asked one after another for the same may take that long, all of them together. */
export interface SharedPatience {
  sinceMs: number | undefined
}

/** Whether an answer of a peer is on its way, whatever is asked; others may go before it. */
export interface AnswerWatch {
  /** The request leaves now; until then our own limit holds it back, and no peer is late. */
  readonly asked: () => void
  /** More has come since the last look, and it has not taken too long. */
  readonly isProgressing: () => boolean
}

export function watchAnswer(
  peer: PeerId,
  { links, clock }: Pick<AskDeps, 'links' | 'clock'>,
  patience: SharedPatience = { sinceMs: undefined },
): AnswerWatch {
  let isAsked = false
  let seenBytes = 0
  return {
    asked() {
      isAsked = true
      patience.sinceMs ??= clock.now()
      seenBytes = links.receivedBytes(peer)
    },
    isProgressing() {
      if (!isAsked) return true // no fault of the peer, and another one would have to wait too
      const now = links.receivedBytes(peer)
      const moved = now - seenBytes
      seenBytes = now
      const { sinceMs = -Infinity } = patience
      return moved >= PROGRESS_BYTES && clock.now() - sinceMs < MAX_PROGRESS_MS
    },
  }
}

export function askPeer(
  peer: PeerId,
  digest: Digest,
  deps: AskDeps,
  options: AskOptions,
): Attempt<PeerAnswer> {
  const { scores } = deps
  const recordTimeout = (): void => {
    if (!options.isRetry) scores.recordTimeout(peer)
  }
  const watch = watchAnswer(peer, deps)
  return {
    hedgeMs: scores.hedgeMs(peer),
    isProgressing: watch.isProgressing,
    onLate: recordTimeout,
    async run(signal) {
      try {
        const { name } = options
        return await requestArtifact(peer, digest, deps, { name, signal, onAsked: watch.asked })
      } catch (error) {
        if (!signal.aborted && !isCatalogError(error, 'NOT_FOUND')) recordTimeout()
        throw error
      }
    },
  }
}

/** @throws CatalogError for whatever the peer said or did instead; `signal.reason` */
export async function requestArtifact(
  peer: PeerId,
  digest: Digest,
  deps: AskDeps,
  how: Pick<AskOptions, 'name'> & { signal: AbortSignal; onAsked?: () => void },
): Promise<PeerAnswer> {
  const { name, signal, onAsked } = how
  const { links, scores, clock } = deps
  const limit = deps.limitOf(peer)
  if (limit !== unlimited) await limit.take(0, signal) // how much it is, the answer will say
  onAsked?.()
  const startedMs = clock.now()
  const stream = links.ready(peer, 'session') ?? (await links.stream(peer, 'session'))
  const asking =
    name === undefined ? stream.want(digest, { signal }) : stream.wantNamed(name, { signal })
  const { manifest, bytes, record } = await asking
  limit.spend(bytes?.byteLength ?? 0)
  if (record !== undefined) await learn(peer, record, deps, { digest, name })
  if (bytes === undefined) {
    const { size, chunkSize, leaves, present } = manifest
    return {
      kind: 'claim',
      claim: { peer, geometry: { digest, size, chunkSize }, leaves, present },
    }
  }
  if (digestOf(bytes) !== digest)
    throw caught(peer, 'bytes that are not what the digest names', deps)
  scores.answered(peer, { answerMs: clock.now() - startedMs, bytes: bytes.byteLength })
  return { kind: 'whole', bytes }
}

/** Keeps a record that verifies. @throws CatalogError PEER_MISBEHAVED; NOT_FOUND when that name is other bytes there */
export async function learn(
  peer: PeerId,
  record: ArtifactRecord,
  deps: Pick<AskDeps, 'records' | 'scores'>,
  { digest, name }: { digest: Digest; name: NameKey | undefined },
): Promise<void> {
  if (nameKeyOf(record) !== name) throw caught(peer, 'a record of another version', deps)
  const verdict = await deps.records.add(record)
  if (verdict === 'invalid') throw caught(peer, 'a record with a false signature', deps)
  if (record.digest === digest) return
  throw new CatalogError('NOT_FOUND', 'the peer has other bytes under that name', { peer })
}

function caught(peer: PeerId, what: string, { scores }: Pick<AskDeps, 'scores'>): CatalogError {
  scores.penalize(peer, what)
  return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`, { peer })
}

/** By the leaves and not by a root: comparing costs nothing, hashing the leaves of a claim nobody takes does. */
export function isSameClaim(
  a: Pick<ManifestClaim, 'geometry' | 'leaves'>,
  b: Pick<ManifestClaim, 'geometry' | 'leaves'>,
): boolean {
  return (
    a.geometry.size === b.geometry.size &&
    a.geometry.chunkSize === b.geometry.chunkSize &&
    Buffer.compare(a.leaves, b.leaves) === 0
  )
}
