/**
 * One artifact on its way here, for all callers that asked for it. Its sources are a list, each started when those before it have
 * failed or have had their time; the first that has verified bytes wins, and only then the others end. Unverified bytes leave
 * this node while there is an origin neither to a reader nor into a decision. Ends with verified bytes in the store, or with an
 * error for all. docs/decisions/0008
 */
import type { Artifact, Origin } from '../api.ts'
import type { Digest } from '../content/digest.ts'
import { nameKeyOf, type NameKey, type PackageVersion } from '../content/name-key.ts'
import { isCatalogError } from '../errors.ts'
import type { FetchWish } from '../fleet/fleet.ts'
import type { PeerId } from '../host/host.ts'
import type { Visibility } from '../content/visibility.ts'
import { Course } from './course.ts'
import type { Assembly } from './chunks/assembly.ts'
import { createClaims } from './sources/claims.ts'
import { delegateSource } from './sources/delegate.ts'
import { createDelivery } from './sources/delivery.ts'
import { hedge, type Attempt } from './sources/hedge.ts'
import { originSource } from './sources/origin.ts'
import { createRetryRound } from './sources/retry-peers.ts'
import { createSearchAttempt } from './sources/search.ts'
import type { Found } from './sources/found.ts'
import { noProviders, type OriginState, type Race } from './sources/source.ts'
import { createPeerAsker, createSwarm, type PeerAsker, type Swarm } from './sources/swarm.ts'
import { offerUnverified } from './sources/unverified-readers.ts'
import { createRelay } from './relay.ts'
import type { TransferDeps } from './transfer-deps.ts'

export interface DownloadRequest {
  readonly digest: Digest
  readonly origin: Origin | undefined
  readonly peers: boolean
  readonly visibility: Visibility
  /** What it is called at the origin's registry: a machine of the fleet may fetch it for all. */
  readonly fetchAs: PackageVersion | undefined
}

export interface Download {
  /** Rejects when every source has failed. */
  artifact(): Promise<Artifact>
  /** The public assembly under way, to pass on as the claim that it is. */
  readonly inFlight: Assembly | undefined
  /** Somebody joins it who must not wait for a delegate: the origin may start. */
  goAlone(): void
  /** Settles when nothing is left to do; never rejects. */
  readonly finished: Promise<void>
}

/** Made once: an error of its own for each download costs more than the rest of its end. */
const OVERTAKEN = new Error('another source was quicker')
const NEVER = new AbortController().signal

export function startDownload(
  request: DownloadRequest,
  deps: TransferDeps,
  cancel: AbortController,
): Download {
  const { digest } = request
  // Only a delegate is waited for.
  const alone = request.fetchAs === undefined ? undefined : new AbortController()
  const race = createRace(request, deps, { cancel, alone: alone?.signal ?? NEVER })
  const { claims, delivery } = race
  const relay = createRelay(request, deps, claims)
  offerUnverified(race, deps)

  async function run(): Promise<void> {
    const sources = listSources(request, race, deps)
    const next = (): Attempt<Found> | undefined => {
      // Every source has been started: peers that were busy or hung up are asked again.
      if (sources.length === 0) race.retries.open()
      return sources.shift()
    }
    try {
      const found = await hedge(next, { clock: deps.clock, signal: race.signal })
      if ('bytes' in found) {
        await deps.store.put(digest, found.bytes, { visibility: request.visibility })
      }
      delivery.succeed(found)
      await claims.close(OVERTAKEN, { keep: false })
      claims.judge(found)
      await delivery.offered?.closed
    } catch (error) {
      const reason = reasonOf(error, race)
      delivery.fail(reason)
      if (!race.signal.aborted) deps.log.debug('download.failed', { digest, error: reason })
      await claims.close(reason, { keep: true })
    } finally {
      relay.stop()
    }
  }

  return {
    artifact: delivery.artifact,
    get inFlight() {
      return relay.inFlight
    },
    goAlone: () => alone?.abort(new Error('another machine waits for it')),
    finished: run(),
  }
}

function createRace(
  request: DownloadRequest,
  deps: TransferDeps,
  { cancel, alone }: Pick<Race, 'alone'> & { cancel: AbortController },
): Race {
  const { digest, visibility } = request
  const hasOrigin = request.origin !== undefined
  const course = new Course(deps.clock)
  const origin: OriginState = { origin: request.origin, isAlive: hasOrigin, failure: undefined }
  return {
    ...{ digest, visibility, origin, course, signal: cancel.signal, alone },
    name: nameOf(request, deps),
    claims: createClaims(deps, visibility),
    delivery: createDelivery(digest, course),
    delegate: () => 'none',
    silent: new Set(),
    retries: createRetryRound(deps.clock, { hasOrigin }),
    end: (error) => cancel.abort(error),
  }
}

function nameOf(
  { digest, visibility, fetchAs }: DownloadRequest,
  { records }: TransferDeps,
): NameKey | undefined {
  if (fetchAs === undefined || visibility !== 'public') return undefined
  return records.find(fetchAs)?.digest === digest ? undefined : nameKeyOf(fetchAs)
}

/** In the order of their turns. */
function listSources(request: DownloadRequest, race: Race, deps: TransferDeps): Attempt<Found>[] {
  const { digest, origin } = request
  const delegate = delegateFor(request, deps)
  const hasDelegate = delegate !== undefined
  const beyond = request.peers ? peerSources(digest, race, deps, { hasDelegate }) : undefined
  return [
    ...(beyond?.favoured ? [beyond.favoured] : []),
    ...(delegate && beyond
      ? [delegateSource(race, { ...delegate, asker: beyond.asker }, deps)]
      : []),
    ...(beyond?.unsigned ? [beyond.unsigned] : []),
    ...(origin ? [originSource(race, origin, deps)] : []),
    ...(beyond ? [beyond.rest, beyond.search] : []),
  ]
}

/** Only where there is an origin to fetch it from, and nothing private is meant. */
function delegateFor(
  { digest, origin, peers, visibility, fetchAs: version }: DownloadRequest,
  { fleet }: TransferDeps,
): { readonly peer: PeerId; readonly wish: FetchWish } | undefined {
  if (!origin || !peers || visibility !== 'public' || version === undefined) return undefined
  const peer = fleet.delegateOf(version)
  return peer === undefined ? undefined : { peer, wish: { version, digest } }
}

function peerSources(
  digest: Digest,
  race: Race,
  deps: TransferDeps,
  how: { readonly hasDelegate: boolean },
): Swarm & { readonly search: Attempt<Found>; readonly asker: PeerAsker } {
  const asker = createPeerAsker(race, deps)
  const search = createSearchAttempt(digest, { ...deps, ask: asker.ask })
  return { ...createSwarm(race, deps, asker, how), search, asker }
}

/** The origin's own error if there is one, which says more than that no peer has it. */
function reasonOf(error: unknown, { digest, origin, signal, silent }: Race): Error {
  if (signal.aborted) return signal.reason as Error
  if (origin.failure !== undefined) return origin.failure.error as Error
  if (silent.size > 0) return noProviders(digest, error, silent.size)
  return isCatalogError(error, 'NO_PROVIDERS') ? error : noProviders(digest, error)
}
