/**
 * One artifact on its way here, for all callers that asked for it. The best peer that says it has it is asked alone first. What that does not
 * end is a race: its sources are a list, each started when those before it have failed or have had their time; the first that has
 * verified bytes wins, and only then the others end. Unverified bytes leave this node while there is an origin neither to a reader
 * nor into a decision. Ends with verified bytes in the store, or with an error for all. docs/decisions/0008
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
import { createDelivery, type Delivery } from './sources/delivery.ts'
import { askFirst, type FirstAsk } from './sources/first-ask.ts'
import { hedge, type Attempt } from './sources/hedge.ts'
import { originSource } from './sources/origin.ts'
import { createRetryRound } from './sources/retry-peers.ts'
import { createSearchAttempt } from './sources/search.ts'
import type { Found } from './sources/found.ts'
import { noProviders, type OriginState, type Race } from './sources/source.ts'
import {
  createPeerAsker,
  createSwarm,
  holdersOf,
  lacksRecord,
  type PeerAsker,
  type Swarm,
} from './sources/swarm.ts'
import { offerUnverified } from './sources/unverified-readers.ts'
import { createRelay, type Relay } from './relay.ts'
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
  /** No caller waits any more. */
  cancel(reason: Error): void
  /** No caller waits any more, or it has failed for those who read it. */
  readonly isCancelled: boolean
  /** Settles when nothing is left to do; never rejects. */
  readonly finished: Promise<void>
}

/** Made once: an error of its own for each download costs more than the rest of its end. */
const OVERTAKEN = new Error('another source was quicker')
const NEVER = new AbortController().signal

export function startDownload(request: DownloadRequest, deps: TransferDeps): Download {
  return new OneDownload(request, deps)
}

class OneDownload implements Download {
  readonly finished: Promise<void>
  readonly #request: DownloadRequest
  readonly #deps: TransferDeps
  readonly #course: Course
  readonly #name: NameKey | undefined
  readonly #delivery: Delivery
  /** Only a delegate is waited for. */
  readonly #alone: AbortController | undefined
  #first: FirstAsk | undefined
  #race: AbortController | undefined
  #relay: Relay | undefined
  #cancelled: Error | undefined

  constructor(request: DownloadRequest, deps: TransferDeps) {
    this.#request = request
    this.#deps = deps
    this.#course = new Course(deps.clock)
    this.#name = nameOf(request, deps)
    this.#delivery = createDelivery(request.digest, this.#course)
    this.#alone = request.fetchAs === undefined ? undefined : new AbortController()
    this.finished = this.#run()
  }

  artifact(): Promise<Artifact> {
    return this.#delivery.artifact()
  }

  get inFlight(): Assembly | undefined {
    return this.#relay?.inFlight
  }

  goAlone(): void {
    this.#alone?.abort(new Error('another machine waits for it'))
  }

  get isCancelled(): boolean {
    return this.#cancelled !== undefined
  }

  cancel(reason: Error): void {
    this.#cancelled ??= reason
    this.#first?.cancel(reason)
    this.#race?.abort(reason)
  }

  async #run(): Promise<void> {
    try {
      this.#first = askBest(this.#request, { name: this.#name, course: this.#course }, this.#deps)
      const bytes = this.#first && (await this.#first.bytes)
      if (bytes === undefined) await this.#raceSources()
      else await this.#succeed({ source: 'peer', bytes })
    } catch (error) {
      this.#fail(
        this.#cancelled ?? (isCatalogError(error) ? error : notFound(error, this.#request)),
      )
    }
  }

  #fail(reason: Error): void {
    const { digest } = this.#request
    this.#delivery.fail(reason)
    const isWanted = this.#cancelled === undefined
    if (isWanted) this.#deps.log.debug('download.failed', { digest, error: reason })
  }

  async #succeed(found: Found): Promise<void> {
    const { digest, visibility } = this.#request
    if ('bytes' in found) await this.#deps.store.put(digest, found.bytes, { visibility })
    this.#delivery.succeed(found)
  }

  async #raceSources(): Promise<void> {
    const { clock } = this.#deps
    const race = this.#createRace()
    const { claims, delivery } = race
    this.#relay = createRelay(this.#request, this.#deps, claims)
    offerUnverified(race, this.#deps)
    const sources = listSources(this.#request, race, this.#deps, this.#first)
    const next = (): Attempt<Found> | undefined => {
      // Every source has been started: peers that were busy or hung up are asked again.
      if (sources.length === 0) race.retries.open()
      return sources.shift()
    }
    try {
      const found = await hedge(next, { clock, signal: race.signal })
      await this.#succeed(found)
      await claims.close(OVERTAKEN, { keep: false })
      claims.judge(found)
      await delivery.offered?.closed
    } catch (error) {
      const reason = reasonOf(error, race)
      this.#fail(reason)
      await claims.close(reason, { keep: true })
    } finally {
      this.#relay.stop()
      this.#first?.cancel(OVERTAKEN) // unless it has ended: a peer that is banned by now was not asked in the race
    }
  }

  #createRace(): Race {
    const { digest, visibility, origin } = this.#request
    const hasOrigin = origin !== undefined
    const state: OriginState = { origin, isAlive: hasOrigin, failure: undefined }
    this.#race = new AbortController()
    if (this.#cancelled !== undefined) this.#race.abort(this.#cancelled)
    return {
      ...{ digest, visibility, origin: state, course: this.#course, name: this.#name },
      signal: this.#race.signal,
      alone: this.#alone?.signal ?? NEVER,
      claims: createClaims(this.#deps, visibility),
      delivery: this.#delivery,
      delegate: () => 'none',
      silent: new Set(),
      retries: createRetryRound(this.#deps.clock, { hasOrigin }),
      end: (error) => this.cancel(error instanceof Error ? error : new Error(String(error))),
    }
  }
}

/** Undefined: nobody is to be asked before the others. */
function askBest(
  request: DownloadRequest,
  { name, course }: { readonly name: NameKey | undefined; readonly course: Course },
  deps: TransferDeps,
): FirstAsk | undefined {
  const { digest, peers } = request
  if (!peers) return undefined
  const [best] = holdersOf(digest, deps)
  if (best === undefined || deps.scores.isBackedOff(best)) return undefined
  // Who may be asked before a delegate is said in swarm.ts.
  if (lacksRecord(best, { name }, deps) && delegateFor(request, deps) !== undefined)
    return undefined
  return askFirst(best, { digest, name, course }, deps)
}

function nameOf(
  { digest, visibility, fetchAs }: DownloadRequest,
  { records }: TransferDeps,
): NameKey | undefined {
  if (fetchAs === undefined || visibility !== 'public') return undefined
  return records.find(fetchAs)?.digest === digest ? undefined : nameKeyOf(fetchAs)
}

/** In the order of their turns. */
function listSources(
  request: DownloadRequest,
  race: Race,
  deps: TransferDeps,
  first: FirstAsk | undefined,
): Attempt<Found>[] {
  const { origin } = request
  const delegate = delegateFor(request, deps)
  const hasDelegate = delegate !== undefined
  const beyond = request.peers ? peerSources(race, deps, { hasDelegate, first }) : undefined
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
  race: Race,
  deps: TransferDeps,
  { hasDelegate, first }: { readonly hasDelegate: boolean; readonly first: FirstAsk | undefined },
): Swarm & { readonly search: Attempt<Found>; readonly asker: PeerAsker } {
  const asker = createPeerAsker(race, deps, first)
  const search = createSearchAttempt(race.digest, { ...deps, ask: asker.ask })
  return { ...createSwarm(race, deps, asker, { hasDelegate, first: first?.peer }), search, asker }
}

/** The origin's own error if there is one, which says more than that no peer has it. */
function reasonOf(error: unknown, { digest, origin, signal, silent }: Race): Error {
  if (signal.aborted) return signal.reason as Error
  if (origin.failure !== undefined) return origin.failure.error as Error
  if (silent.size > 0) return noProviders(digest, error, silent.size)
  return notFound(error, { digest })
}

function notFound(error: unknown, { digest }: Pick<DownloadRequest, 'digest'>): Error {
  return isCatalogError(error, 'NO_PROVIDERS') ? error : noProviders(digest, error)
}
