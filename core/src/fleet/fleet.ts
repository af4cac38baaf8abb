/**
 * The fleet: machines of one network, each with a registry of its own, that share what upstream sends. For each version one of
 * them is its delegate, and the others ask it before they ask upstream. This says who that is, and who is left out for a while.
 * It never waits, never asks, and never hears of what is private: its callers see to that. docs/fleet.md
 */
import { nameKeyOf, type PackageVersion } from '../content/name-key.ts'
import type { Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { Host, PeerConnection, PeerId } from '../host/host.ts'
import type { PeerScores } from '../transfer/peer-score.ts'
import type { Clock } from '../timing/clock.ts'
import { responsibleFor } from './rendezvous.ts'

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

/** Why a delegate did not give it: nothing came from it, it took too long, it does not fetch for us, or it could not. */
export type Miss = 'silent' | 'slow' | 'refused' | 'failed'

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
}

export interface Fleet {
  /** Whom to ask for that version; undefined when it is this machine that fetches it. */
  delegateOf(version: PackageVersion): PeerId | undefined
  /** It has given what it was asked for. */
  succeeded(peer: PeerId): void
  /** It did not give it: after some of those others do its part, for a time that grows; for long when it does not fetch for us. */
  missed(peer: PeerId, why: Miss): void
  /** Fetches for others from now on. */
  serve(fetch: Fetcher): void
  /** @throws CatalogError PEER_REFUSED when this machine does not fetch for that one; what the fetcher throws */
  fetchFor(
    peer: PeerId,
    wish: FetchWish,
    options: { readonly signal: AbortSignal },
  ): Promise<Digest>
  stats(): FleetStats
}

export interface FleetDeps {
  readonly host: Pick<Host, 'id' | 'peers'>
  readonly scores: Pick<PeerScores, 'isBanned'>
  readonly clock: Clock
  /** Whether a peer is on a network that this machine is on. */
  readonly isNeighbour: (connection: PeerConnection) => boolean
}

/** In a row, unless it has kept others waiting for long: a machine that is busy misses some now and then, and what it is at is still the only copy under way. */
const MAX_FAILURES = 5
/** What is missed within so long is missed for one reason. */
const SAME_REASON_MS = 500
/** After so many; doubled each time. */
const FIRST_PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 600_000
/** More connections than a node has. */
const MAX_KNOWN = 10_000

interface Standing {
  readonly address: string
  readonly isNeighbour: boolean
  /** In a row. */
  failures: number
  failedAtMs: number
  slowAtMs: number
  pauseMs: number
  pausedUntilMs: number
}

/** @param options `fleet`: false: it asks nobody, and fetches for nobody */
export function createFleet(deps: FleetDeps, options: { fleet: boolean }): Fleet {
  return new Delegates(deps, options.fleet)
}

class Delegates implements Fleet {
  readonly #deps: FleetDeps
  readonly #enabled: boolean
  readonly #standings = new Map<PeerId, Standing>()
  #fetcher: Fetcher | undefined
  #received = 0
  readonly #misses: Record<Miss, number> = { silent: 0, slow: 0, refused: 0, failed: 0 }
  #fetched = 0

  constructor(deps: FleetDeps, enabled: boolean) {
    this.#deps = deps
    this.#enabled = enabled
  }

  delegateOf(version: PackageVersion): PeerId | undefined {
    const members = this.#members()
    if (members.length === 0) return undefined
    const { id } = this.#deps.host
    // A machine that fetches for nobody takes no share: the others know that it refuses.
    const all = this.#fetcher === undefined ? members : [id, ...members]
    const delegate = responsibleFor(nameKeyOf(version), all)
    return delegate === id ? undefined : delegate
  }

  succeeded(peer: PeerId): void {
    this.#received++
    const standing = this.#standings.get(peer)
    if (standing === undefined) return
    standing.failures = 0
    // One that keeps others waiting for long, and gives now and then, is left out for longer each time all the same.
    if (this.#deps.clock.now() - standing.slowAtMs > LONGEST_PAUSE_MS) standing.pauseMs = 0
  }

  missed(peer: PeerId, why: Miss): void {
    this.#misses[why]++
    const standing = this.#standings.get(peer)
    if (standing === undefined) return
    if (why === 'refused') return this.#pause(standing, LONGEST_PAUSE_MS)
    const nowMs = this.#deps.clock.now()
    if (nowMs - standing.failedAtMs < SAME_REASON_MS) return
    standing.failedAtMs = nowMs
    if (why === 'slow') standing.slowAtMs = nowMs
    standing.failures++
    if (why !== 'slow' && standing.failures < MAX_FAILURES) return
    standing.failures = 0
    const pauseMs = Math.min(LONGEST_PAUSE_MS, standing.pauseMs * 2 || FIRST_PAUSE_MS)
    this.#pause(standing, pauseMs)
  }

  serve(fetch: Fetcher): void {
    if (this.#enabled) this.#fetcher = fetch
  }

  async fetchFor(
    peer: PeerId,
    wish: FetchWish,
    options: { readonly signal: AbortSignal },
  ): Promise<Digest> {
    const connection = this.#deps.host.peers().find((each) => each.peer === peer)
    const isMember = connection !== undefined && this.#standingOf(connection).isNeighbour
    if (this.#fetcher === undefined || !isMember) {
      throw new CatalogError('PEER_REFUSED', 'this machine does not fetch for that one')
    }
    const digest = await this.#fetcher(wish, options)
    this.#fetched++
    return digest
  }

  stats(): FleetStats {
    return {
      members: this.#members().length,
      received: this.#received,
      failed: Object.values(this.#misses).reduce((sum, count) => sum + count, 0),
      misses: { ...this.#misses },
      fetched: this.#fetched,
    }
  }

  #pause(standing: Standing, forMs: number): void {
    standing.pauseMs = forMs
    standing.pausedUntilMs = this.#deps.clock.now() + forMs
  }

  #members(): PeerId[] {
    if (!this.#enabled) return []
    const { host, scores, clock } = this.#deps
    const nowMs = clock.now()
    return host
      .peers()
      .filter((connection) => {
        const { isNeighbour, pausedUntilMs } = this.#standingOf(connection)
        return isNeighbour && pausedUntilMs <= nowMs && !scores.isBanned(connection.peer)
      })
      .map(({ peer }) => peer)
  }

  /** Looked up once for each address: it asks the system for its interfaces. */
  #standingOf(connection: PeerConnection): Standing {
    const { peer, address } = connection
    const known = this.#standings.get(peer)
    if (known?.address === address) return known
    const standing = {
      ...{ failures: 0, failedAtMs: -Infinity, slowAtMs: -Infinity, pauseMs: 0, pausedUntilMs: 0 },
      ...known,
      ...{ address, isNeighbour: this.#deps.isNeighbour(connection) },
    }
    if (this.#standings.size >= MAX_KNOWN) this.#standings.clear()
    this.#standings.set(peer, standing)
    return standing
  }
}
