/**
 * The fleet: machines of one network, each with a registry of its own, that share what upstream sends. For each version one of
 * them is its delegate, and the others ask it before they ask upstream. This says who that is, and who is left out for a while.
 * It never waits, never asks, and never hears of what is private: its callers see to that. docs/fleet.md
 */
import { nameKeyOf, type PackageVersion } from '../content/name-key.ts'
import type { Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { PeerId } from '../host/host.ts'
import { Delegates, type DelegatesDeps, type Miss } from './delegates.ts'
import type { Watch, WatchOptions } from './watch.ts'
import { MetadataFleet, type SharedMetadata, type SharedMetadataStats } from './metadata-fleet.ts'

export type { Miss } from './delegates.ts'
export type { SharedMetadata } from './metadata-fleet.ts'
export { LOOK_MS, type Seen, type Watch, type WatchOptions } from './watch.ts'

/** What a machine of the fleet would like to have fetched. */
export interface FetchWish {
  readonly version: PackageVersion
  /** Undefined: whichever bytes the registry has signed. */
  readonly digest: Digest | undefined
}

/**
 * Fetches a public artifact from the registry of this machine, without credentials, and stores it.
 * @throws CatalogError PEER_REFUSED for what this machine would not fetch for itself from there; what fetching throws
 */
export type Fetcher = (wish: FetchWish, options: { signal: AbortSignal }) => Promise<Digest>

/**
 * For one machine at once. What is no longer wanted by it counts until it is over: to ask, cancel and ask again gains nothing.
 */
const MAX_ERRANDS_PER_PEER = 64

export interface FleetStats {
  /** Machines that this one shares with, itself not counted. */
  readonly members: number
  /** Artifacts that a delegate has given to this machine, this run. */
  readonly received: number
  /** Times that a delegate did not give what it was asked for. */
  readonly failed: number
  readonly misses: Readonly<Record<Miss, number>>
  /** Artifacts that were fetched here for another machine. */
  readonly fetched: number
  readonly metadata: SharedMetadataStats
}

export interface Fleet {
  /** Whom to ask for that version; undefined when it is this machine that fetches it. */
  delegateOf(version: PackageVersion): PeerId | undefined
  /** Whether it is late with what it is asked for now. */
  watch(peer: PeerId, options: WatchOptions): Watch
  /** It has given what it was asked for. */
  succeeded(peer: PeerId): void
  /** It did not give it: after some of those others do its part, for a time that grows; for long when it does not fetch for us. */
  missed(peer: PeerId, why: Miss): void
  /** Fetches for others from now on. */
  serve(fetch: Fetcher): void
  /** @throws CatalogError PEER_REFUSED when this machine does not fetch for that one, PEER_BUSY when it is at enough for it; what the fetcher throws */
  fetchFor(
    peer: PeerId,
    wish: FetchWish,
    options: { readonly signal: AbortSignal },
  ): Promise<Digest>
  stats(): FleetStats
  /** The same for metadata, among machines that the root of their private swarm has certified. */
  readonly metadata: SharedMetadata
}

export interface FleetDeps extends Omit<DelegatesDeps, 'isEligible'> {
  /** Whether the root of the private swarm has certified it. */
  readonly isCertified: (peer: PeerId) => boolean
}

/** @param options `fleet`: false: it asks nobody, and fetches for nobody */
export function createFleet(deps: FleetDeps, options: { fleet: boolean }): Fleet {
  return new ArtifactFleet(deps, options.fleet)
}

class ArtifactFleet implements Fleet {
  readonly metadata: MetadataFleet
  readonly #delegates: Delegates
  readonly #enabled: boolean
  #fetcher: Fetcher | undefined
  #fetched = 0
  readonly #errands = new Map<PeerId, number>()

  constructor({ isCertified, ...deps }: FleetDeps, enabled: boolean) {
    this.#delegates = new Delegates(deps)
    this.metadata = new MetadataFleet(new Delegates({ ...deps, isEligible: isCertified }), enabled)
    this.#enabled = enabled
  }

  delegateOf(version: PackageVersion): PeerId | undefined {
    if (!this.#enabled) return undefined
    const takesPart = this.#fetcher !== undefined
    return this.#delegates.responsibleFor(nameKeyOf(version), { takesPart })
  }

  watch(peer: PeerId, options: WatchOptions): Watch {
    return this.#delegates.watch(peer, options)
  }

  succeeded(peer: PeerId): void {
    this.#delegates.succeeded(peer)
  }

  missed(peer: PeerId, why: Miss): void {
    this.#delegates.missed(peer, why)
  }

  serve(fetch: Fetcher): void {
    if (this.#enabled) this.#fetcher = fetch
  }

  async fetchFor(
    peer: PeerId,
    wish: FetchWish,
    options: { readonly signal: AbortSignal },
  ): Promise<Digest> {
    if (this.#fetcher === undefined || !this.#delegates.isMember(peer)) {
      throw new CatalogError('PEER_REFUSED', 'this machine does not fetch for that one')
    }
    const errands = this.#errands.get(peer) ?? 0
    if (errands >= MAX_ERRANDS_PER_PEER) {
      throw new CatalogError('PEER_BUSY', 'this machine fetches enough for that one', { peer })
    }
    this.#errands.set(peer, errands + 1)
    try {
      const digest = await this.#fetcher(wish, options)
      this.#fetched++
      return digest
    } finally {
      this.#errandOver(peer)
    }
  }

  #errandOver(peer: PeerId): void {
    const left = (this.#errands.get(peer) ?? 1) - 1
    if (left > 0) this.#errands.set(peer, left)
    else this.#errands.delete(peer)
  }

  stats(): FleetStats {
    return {
      members: this.#enabled ? this.#delegates.members().length : 0,
      ...this.#delegates.stats(),
      fetched: this.#fetched,
      metadata: this.metadata.stats(),
    }
  }
}
