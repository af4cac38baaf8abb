/**
 * Which machine of a group does something for all of them, and which are left out for a while because they did not. One of these
 * for each thing that a fleet shares: a machine that does not do the one well may do the other. Never waits, and never asks.
 */
import type { NameKey } from '../content/name-key.ts'
import type { Host, PeerConnection, PeerId } from '../host/host.ts'
import type { PeerScores } from '../transfer/peer-score.ts'
import type { Clock } from '../timing/clock.ts'
import { responsibleFor } from './rendezvous.ts'
import { Lookout, Manners, type Miss, type Watch, type WatchOptions } from './watch.ts'

export type { Miss } from './watch.ts'

export interface DelegatesDeps {
  readonly host: Pick<Host, 'id' | 'peers'>
  readonly scores: Pick<PeerScores, 'isBanned'>
  readonly clock: Clock
  /** Whether a peer is on a network that this machine is on. */
  readonly isNeighbour: (connection: PeerConnection) => boolean
  /** What else it must be, asked anew each time; nothing unless given. */
  readonly isEligible?: (peer: PeerId) => boolean
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
  readonly manners: Manners
}

export class Delegates {
  readonly #deps: DelegatesDeps
  readonly #standings = new Map<PeerId, Standing>()
  readonly #lookout: Lookout
  #received = 0
  readonly #misses: Record<Miss, number> = { silent: 0, slow: 0, refused: 0, failed: 0 }

  constructor(deps: DelegatesDeps) {
    this.#deps = deps
    this.#lookout = new Lookout(deps.clock)
  }

  /** undefined: this machine, or there is no other. @param takesPart false: it does nothing for others, who know that it refuses */
  responsibleFor(key: NameKey, { takesPart }: { takesPart: boolean }): PeerId | undefined {
    const members = this.members()
    if (members.length === 0) return undefined
    const { id } = this.#deps.host
    const delegate = responsibleFor(key, takesPart ? [id, ...members] : members)
    return delegate === id ? undefined : delegate
  }

  /** Those that may be asked now. */
  members(): PeerId[] {
    const { host, scores, clock } = this.#deps
    const nowMs = clock.now()
    return host
      .peers()
      .filter((connection) => {
        const isPaused = this.#standingOf(connection).pausedUntilMs > nowMs
        return !isPaused && this.#belongs(connection) && !scores.isBanned(connection.peer)
      })
      .map(({ peer }) => peer)
  }

  /** Whether it may ask: it is connected, and one of the group. */
  isMember(peer: PeerId): boolean {
    const connection = this.#deps.host.peers().find((each) => each.peer === peer)
    return connection !== undefined && this.#belongs(connection)
  }

  /** Begins when it is asked. */
  watch(peer: PeerId, options: WatchOptions): Watch {
    const manners = this.#standings.get(peer)?.manners ?? new Manners(this.#deps.clock)
    return this.#lookout.watch(manners, options)
  }

  /** It has given what it was asked for. */
  succeeded(peer: PeerId): void {
    this.#received++
    const standing = this.#standings.get(peer)
    if (standing === undefined) return
    standing.failures = 0
    // One that keeps others waiting for long, and gives now and then, is left out for longer each time all the same.
    if (this.#deps.clock.now() - standing.slowAtMs > LONGEST_PAUSE_MS) standing.pauseMs = 0
  }

  /** It did not give it: after some of those others do its part, for a time that grows; for long when it does not fetch for us. */
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

  stats(): { received: number; failed: number; misses: Record<Miss, number> } {
    return {
      received: this.#received,
      failed: Object.values(this.#misses).reduce((sum, count) => sum + count, 0),
      misses: { ...this.#misses },
    }
  }

  #pause(standing: Standing, forMs: number): void {
    standing.pauseMs = forMs
    standing.pausedUntilMs = this.#deps.clock.now() + forMs
  }

  #belongs(connection: PeerConnection): boolean {
    const { isEligible = () => true } = this.#deps
    return this.#standingOf(connection).isNeighbour && isEligible(connection.peer)
  }

  /** Looked up once for each address: it asks the system for its interfaces. */
  #standingOf(connection: PeerConnection): Standing {
    const { peer, address } = connection
    const known = this.#standings.get(peer)
    if (known?.address === address) return known
    const standing = {
      ...{ failures: 0, failedAtMs: -Infinity, slowAtMs: -Infinity, pauseMs: 0, pausedUntilMs: 0 },
      manners: new Manners(this.#deps.clock),
      ...known,
      ...{ address, isNeighbour: this.#deps.isNeighbour(connection) },
    }
    if (this.#standings.size >= MAX_KNOWN) this.#standings.clear()
    this.#standings.set(peer, standing)
    return standing
  }
}
