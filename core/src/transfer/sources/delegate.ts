/**
 * Asking the delegate of a version (fleet/fleet.ts) to fetch it for us. It says at once that it is at it, and goes on saying
 * so; one that falls silent is late, and the next source begins. What it sends is checked like the bytes of any peer.
 */
import { digestOf, type Digest } from '../../content/digest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { FetchWish, Fleet } from '../../fleet/fleet.ts'
import type { PeerId } from '../../host/host.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import type { FetchedResult } from '../asking/request-stream.ts'
import type { ManifestAnswer } from '../../wire/transfer-messages.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import type { ManifestClaim } from './ask-peer.ts'
import type { Found } from './found.ts'
import type { Attempt } from './hedge.ts'
import type { Race } from './source.ts'

export interface DelegateDeps extends Pick<TransferDeps, 'scores' | 'clock' | 'limitOf'> {
  readonly links: Pick<PeerLinks, 'stream' | 'receivedBytes'>
  readonly fleet: Pick<Fleet, 'missed' | 'succeeded'>
}

/**
 * A delegate from which nothing comes in so many looks is late: the registry is asked as well. Looks are counted and not time:
 * a machine that is too busy to read for a second has looked once.
 */
const SILENT_LOOKS = 5
/** When it has all of it, and chunks are on their way to many: they come in turns, and one that is busy says so every 250 ms. */
const SILENT_LOOKS_BETWEEN_CHUNKS = 20
const LOOK_MS = 50
/** However often it says that it is at it: large artifacts take long where many share one line to the registry. */
const LONGEST_WAIT_MS = 30_000
/** At the pace of what has arrived all of it may take so long: whoever trickles to keep others waiting has to send it to the end. */
const LONGEST_DOWNLOAD_MS = 600_000

export interface DelegateHooks {
  /** It has been silent too long: called once at most. */
  readonly onLate?: () => void
  /** Of what it has promised, from whomever, 0 to 1; undefined before that. */
  readonly arrived?: () => number | undefined
}

export function askDelegate(
  peer: PeerId,
  wish: FetchWish,
  deps: DelegateDeps,
  { onLate, arrived }: DelegateHooks = {},
): Attempt<FetchedResult> {
  const { links, clock, fleet } = deps
  let startedMs = Infinity
  let heard = 0
  let seen = 0
  let silentLooks = 0
  let isSilent = false
  let isLate = false
  return {
    hedgeMs: LOOK_MS,
    isProgressing() {
      // Other answers too: this one may wait behind them.
      const share = arrived?.()
      const now = heard + links.receivedBytes(peer) + (share ?? 0)
      silentLooks = now === seen ? silentLooks + 1 : 0
      seen = now
      isSilent = silentLooks >= (share === undefined ? SILENT_LOOKS : SILENT_LOOKS_BETWEEN_CHUNKS)
      const allowedMs = LONGEST_WAIT_MS + (share ?? 0) * LONGEST_DOWNLOAD_MS
      return !isSilent && clock.now() - startedMs < allowedMs
    },
    onLate() {
      isLate = true
      fleet.missed(peer, isSilent ? 'silent' : 'slow')
      onLate?.()
    },
    async run(signal) {
      try {
        startedMs = clock.now()
        seen = links.receivedBytes(peer)
        await deps.limitOf(peer).take(0, signal) // how much it is, the answer will say
        const stream = await links.stream(peer, 'session')
        const onFetching = (): void => void (heard += 1)
        const result = await stream.wantFetch(wish, { signal, onFetching })
        check(peer, wish, result, deps)
        return result
      } catch (error) {
        if (!signal.aborted && !isLate) blame(fleet, peer, error)
        throw error
      }
    },
  }
}

/** @throws CatalogError PEER_MISBEHAVED */
function check(
  peer: PeerId,
  { digest }: FetchWish,
  { record, bytes }: FetchedResult,
  { scores, limitOf }: DelegateDeps,
): void {
  const named = digest ?? record?.digest
  if (bytes === undefined || named === undefined) return
  limitOf(peer).spend(bytes.byteLength)
  if (digestOf(bytes) === named) return scores.answered(peer, { bytes: bytes.byteLength })
  scores.penalize(peer, 'bytes that are not what the digest names')
  throw new CatalogError('PEER_MISBEHAVED', 'the bytes are not what the digest names', { peer })
}

function blame(fleet: DelegateDeps['fleet'], peer: PeerId, error: unknown): void {
  if (isCatalogError(error, 'PEER_REFUSED')) fleet.missed(peer, 'refused')
  // Its registry has not got it: that is no fault of its own.
  else if (!isCatalogError(error, 'NOT_FOUND')) fleet.missed(peer, 'failed')
}

/** The delegate as a source of a download, before the origin. */
export function delegateSource(
  race: Race,
  { peer, wish }: { readonly peer: PeerId; readonly wish: FetchWish },
  deps: TransferDeps,
): Attempt<Found> {
  const { course, claims } = race
  const asking = askDelegate(peer, wish, deps, {
    onLate: () => (course.late += 1),
    // It has all of it by then: another source would only cost a second copy, unless nothing comes.
    arrived: () => claims.leader()?.share,
  })
  return {
    ...asking,
    async run(signal, startNext) {
      // Another machine waits for this download: were both to wait for each other, nobody would fetch it.
      race.alone.addEventListener('abort', startNext, { once: true, signal })
      if (race.alone.aborted) startNext()
      course.asked += 1
      const { record, manifest, bytes } = await asking.run(signal, startNext)
      if (record !== undefined) await deps.records.add(record) // believed only if it verifies
      const found = await (bytes === undefined
        ? claims.take(claimOf(peer, race.digest, manifest))
        : ({ source: 'peer', bytes } as const))
      deps.fleet.succeeded(peer)
      course.gave(peer)
      return found
    },
  }
}

function claimOf(peer: PeerId, digest: Digest, manifest: ManifestAnswer): ManifestClaim {
  const { size, chunkSize, leaves, present } = manifest
  const hasChunk = present && ((index: number) => present.has(index))
  return { peer, geometry: { digest, size, chunkSize }, leaves, hasChunk }
}
