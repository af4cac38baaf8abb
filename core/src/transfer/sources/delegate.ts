/**
 * Asking the delegate of a version (fleet/fleet.ts) to fetch it for us. It says at once that it is at it, and goes on saying
 * so; one that falls silent is late (fleet/watch.ts), and the next source begins. What it sends is checked like the bytes of any peer.
 */
import { digestOf, type Digest } from '../../content/digest.ts'
import { nameKeyOf } from '../../content/name-key.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import {
  LOOK_MS,
  type FetchWish,
  type Fleet,
  type Miss,
  type Seen,
  type Watch,
} from '../../fleet/fleet.ts'
import type { PeerId } from '../../host/host.ts'
import type { PeerLinks } from '../asking/peer-link.ts'
import type { FetchedResult } from '../asking/request-stream.ts'
import type { ManifestAnswer } from '../../wire/transfer-messages.ts'
import type { TransferDeps } from '../transfer-deps.ts'
import { learn, type ManifestClaim } from './ask-peer.ts'
import type { Found } from './found.ts'
import type { Attempt } from './hedge.ts'
import type { Outlook, Race } from './source.ts'
import { besideNewcomers, type PeerAsker } from './swarm.ts'

export interface DelegateDeps extends Pick<TransferDeps, 'clock' | 'scores' | 'limitOf'> {
  readonly links: Pick<PeerLinks, 'stream' | 'heardAtMs'>
  readonly fleet: Pick<Fleet, 'missed' | 'succeeded' | 'watch'>
}

/** When it has all of it, and chunks are on their way to many: they come in turns, and one that is busy says so every 250 ms. */
const QUIET_BETWEEN_CHUNKS_MS = 1_000
/**
 * However often it says that it is at it, and whatever comes: large artifacts take long where many share one line to the registry. Anew
 * once it has all of it: what it took to fetch is not taken from the time to send.
 */
export const LONGEST_WAIT_MS = 30_000
/** From then on, without bytes that come at a pace that sixteen machines on one wireless network keep: whoever trickles keeps nobody waiting. */
const LONGEST_WITHOUT_PACE_MS = 5_000
const PACE_BYTES_PER_MS = (256 * 1024) / 1_000

export interface DelegateHooks {
  /** It has been silent too long: called once at most. */
  readonly onLate?: () => void
  /** What has come of what it has promised; undefined before that. */
  readonly arrived?: () => Arrived | undefined
}

/** From those that claim the manifest that the delegate claims, and no other one. */
export interface Arrived {
  /** Also of chunks that are not whole yet. */
  readonly bytes: number
  /** Since it has claimed it. */
  readonly ageMs: number
}

export interface DelegateAttempt extends Attempt<FetchedResult> {
  readonly outlook: () => Outlook
}

export function askDelegate(
  peer: PeerId,
  wish: FetchWish,
  deps: DelegateDeps,
  { onLate, arrived }: DelegateHooks = {},
): DelegateAttempt {
  const { links, fleet, clock } = deps
  let watch: Watch | undefined
  let why: Miss | undefined
  let hasFailed = false
  /** Other answers too: this one may wait behind them. */
  const seen = (): Seen => {
    const bytes = arrived?.()?.bytes
    const heardAtMs = links.heardAtMs(peer)
    if (bytes === undefined) return { heardAtMs }
    return { heardAtMs, signs: bytes, quietMs: QUIET_BETWEEN_CHUNKS_MS }
  }
  let startedMs = 0
  const longestMs = (): number => {
    const come = arrived?.()
    if (come === undefined) return LONGEST_WAIT_MS
    const fetchedMs = Math.min(clock.now() - startedMs - come.ageMs, LONGEST_WAIT_MS)
    return fetchedMs + (keepsPace(come) ? LONGEST_WAIT_MS : LONGEST_WITHOUT_PACE_MS)
  }
  return {
    hedgeMs: LOOK_MS,
    nextMs: () => watch?.nextMs ?? LOOK_MS,
    isProgressing() {
      why = watch?.look(seen())
      return why === undefined
    },
    onLate() {
      const come = arrived?.()
      // What takes longer than that at a good pace is large, and no fault of its own.
      const isOnlyLarge = why === 'slow' && come !== undefined && keepsPace(come)
      if (!isOnlyLarge) fleet.missed(peer, why ?? 'silent')
      onLate?.()
    },
    outlook() {
      if (hasFailed || watch === undefined || why === 'slow') return 'none'
      return watch.isBack(seen()) ? 'at-it' : 'silent'
    },
    async run(signal) {
      try {
        startedMs = clock.now()
        watch = fleet.watch(peer, { about: nameKeyOf(wish.version), longestMs })
        await deps.limitOf(peer).take(0, signal) // how much it is, the answer will say
        const stream = await links.stream(peer, 'session')
        const onFetching = (): void => watch?.heard()
        const result = await stream.wantFetch(wish, { signal, onFetching })
        check(peer, wish, result, deps)
        return result
      } catch (error) {
        hasFailed = true
        if (!signal.aborted && why === undefined) blame(fleet, peer, error)
        throw error
      }
    },
  }
}

function keepsPace({ bytes, ageMs }: Arrived): boolean {
  return ageMs < LONGEST_WITHOUT_PACE_MS || bytes >= ageMs * PACE_BYTES_PER_MS
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
  how: { readonly peer: PeerId; readonly wish: FetchWish; readonly asker: PeerAsker },
  deps: TransferDeps,
): Attempt<Found> {
  const { course, claims, digest } = race
  const { peer, wish, asker } = how
  const name = nameKeyOf(wish.version)
  let claimed: (() => Arrived) | undefined
  const asking = askDelegate(peer, wish, deps, {
    onLate: () => (course.late += 1),
    // It has all of it by then: another source would only cost a second copy, unless nothing comes.
    arrived: () => claimed?.(),
  })
  const take = async (manifest: ManifestAnswer): Promise<Found> => {
    const claim = claimOf(peer, digest, manifest)
    const taken = claims.take(claim)
    const sinceMs = deps.clock.now()
    claimed = () => ({
      bytes: claims.of(claim)?.arrivedBytes ?? 0,
      ageMs: deps.clock.now() - sinceMs,
    })
    return await taken
  }
  let isOver = false
  // Who must not wait for it does not wait for its return either.
  race.delegate = () => (isOver || race.alone.aborted ? 'none' : asking.outlook())
  return {
    ...asking,
    async run(signal, startNext) {
      // Another machine waits for this download: were both to wait for each other, nobody would fetch it.
      race.alone.addEventListener('abort', startNext, { once: true, signal })
      if (race.alone.aborted) startNext()
      course.asked += 1
      const given = asking.run(signal, startNext).then(async (result) => {
        const { record, manifest, bytes } = result
        if (record !== undefined) await learn(peer, record, deps, { digest, name })
        const found = await (bytes === undefined
          ? take(manifest)
          : { source: 'peer' as const, bytes })
        deps.fleet.succeeded(peer)
        course.gave(peer)
        return found
      })
      try {
        // All of the fleet ask for it at once: they pass on to each other what has come, or its one card would send it to all.
        return await besideNewcomers(race, deps, {
          ...{ asker, signal, asking: given, onFailed: startNext },
        })
      } finally {
        isOver = true
      }
    },
  }
}

function claimOf(peer: PeerId, digest: Digest, manifest: ManifestAnswer): ManifestClaim {
  const { size, chunkSize, leaves, present } = manifest
  return { peer, geometry: { digest, size, chunkSize }, leaves, present, isForMany: true }
}
