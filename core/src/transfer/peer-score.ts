/**
 * Scores of peers: which is asked first, how long a request waits before another one is asked too, and which is banned for
 * how long. Bans hold for the id, and for its address group once several ids of it have lied (group-bans.ts). Pure but for
 * the clock; it keeps nothing itself, and disconnects nobody.
 */
import type { Clock } from '../timing/clock.ts'
import type { PeerId } from '../host/host.ts'
import type { AddressGroup } from '../limits/address-group.ts'
import { GroupBans, type GroupBan } from './group-bans.ts'
import { PeerRecord } from './peer-record.ts'

/** Peers remembered; the least recently seen is forgotten first. */
const MAX_PEERS = 5_000

/** Functions without `this`: they can be handed on alone. */
export interface PeerScores {
  /**
   * A good answer. `answerMs` where it says how quickly the peer answers: absent for one chunk of many, which waited for
   * those before it.
   */
  readonly answered: (peer: PeerId, answer: { answerMs?: number; bytes: number }) => void
  /** It was too late, failed or said BUSY: after several in a row it is backed off, for a time that grows. */
  readonly recordTimeout: (peer: PeerId) => void
  /** It claimed what did not come: backed off at once, for a time that grows. */
  readonly backOff: (peer: PeerId) => void
  /** It broke the protocol or sent wrong bytes: banned for a time that grows. */
  readonly penalize: (peer: PeerId, reason: string) => void
  /** It passed on a lie that may be another's: again and again, with no good answer between, it is its own. */
  readonly suspect: (peer: PeerId, reason: string) => void
  /** By its id, or by the address group that it comes from: looked up where it is not given. */
  readonly isBanned: (peer: PeerId, group?: AddressGroup) => boolean
  /** Not worth waiting for while there is another source. */
  readonly isBackedOff: (peer: PeerId) => boolean
  readonly bannedCount: () => number
  readonly strikes: (peer: PeerId) => number
  /** Lies seen from anybody. */
  readonly totalStrikes: () => number
  readonly receivedBytes: (peer: PeerId) => number
  /** Milliseconds a request to it may stay unanswered before another peer is asked as well. */
  readonly hedgeMs: (peer: PeerId) => number
  /** Smoothed answer time. */
  readonly answerMs: (peer: PeerId) => number | undefined
  /** Best first; banned peers are left out, backed-off ones come last. */
  readonly rank: (peers: readonly PeerId[], outstanding: (peer: PeerId) => number) => PeerId[]
}

/** A ban that outlives the process; `forMs` from now on, 0 or less when it is over and only its strikes count. */
export interface PeerBan {
  readonly peer: PeerId
  readonly strikes: number
  readonly forMs: number
}

export interface PeerScoreOptions {
  readonly groupOf?: (peer: PeerId) => AddressGroup | undefined
  /** Whether an IP address is on a network that we are on. */
  readonly isLocal?: (ip: string) => boolean
  readonly restored?: readonly (PeerBan | GroupBan)[]
  /** To be remembered. */
  readonly onRecord?: (ban: PeerBan | GroupBan) => void
}

export function createPeerScores(
  clock: Clock,
  onBan: (peer: PeerId, reason: string, forMs: number) => void,
  options: PeerScoreOptions = {},
): PeerScores {
  const groups = new GroupBans(clock, options)
  const records = new PeerRecords(clock)
  const unknown = new PeerRecord()
  const find = (peer: PeerId): PeerRecord => records.find(peer) ?? unknown
  let totalStrikes = 0

  function penalize(peer: PeerId, reason: string): void {
    const record = records.touch(peer)
    // What was under way when it was found out comes to light one by one: that is one reason, not many.
    if (record.isBanned(clock.now())) return
    totalStrikes++
    const forMs = record.penalize(clock.now())
    options.onRecord?.({ peer, strikes: record.strikes, forMs })
    const group = options.groupOf?.(peer)
    const groupBan = group === undefined ? undefined : groups.penalize(group, peer)
    if (groupBan !== undefined) options.onRecord?.(groupBan)
    onBan(peer, reason, forMs)
  }

  /** A proven peer is not taken for its neighbours. */
  function isGroupBanned(peer: PeerId, given: AddressGroup | undefined): boolean {
    if (groups.isEmpty) return false
    const group = given ?? options.groupOf?.(peer)
    return group !== undefined && groups.isBanned(group) && !find(peer).isProven
  }

  function isBanned(peer: PeerId, group?: AddressGroup): boolean {
    return find(peer).isBanned(clock.now()) || isGroupBanned(peer, group)
  }

  for (const ban of options.restored ?? []) {
    if ('group' in ban) groups.restore(ban)
    else records.touch(ban.peer).restore(ban.strikes, clock.now() + ban.forMs)
  }

  return {
    answered: (peer, answer) => records.touch(peer).answered(answer),
    recordTimeout: (peer) => records.touch(peer).recordTimeout(clock.now()),
    backOff: (peer) => records.touch(peer).backOff(clock.now()),
    penalize,
    suspect(peer, reason) {
      if (records.touch(peer).suspect()) penalize(peer, reason)
    },
    isBanned,
    isBackedOff: (peer) => find(peer).isBackedOff(clock.now()),
    bannedCount: () => records.bannedCount,
    strikes: (peer) => find(peer).strikes,
    totalStrikes: () => totalStrikes,
    receivedBytes: (peer) => find(peer).receivedBytes,
    hedgeMs: (peer) => find(peer).hedgeMs,
    answerMs: (peer) => find(peer).answerMs,
    rank(peers, outstanding) {
      const nowMs = clock.now()
      return peers
        .filter((peer) => !isBanned(peer))
        .map((peer) => ({ peer, cost: find(peer).cost(outstanding(peer), nowMs) }))
        .sort((a, b) => a.cost - b.cost)
        .map(({ peer }) => peer)
    },
  }
}

/** The records of a bounded number of peers. */
class PeerRecords {
  readonly #clock: Clock
  /** Least recently touched first. */
  readonly #records = new Map<PeerId, PeerRecord>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  find(peer: PeerId): PeerRecord | undefined {
    return this.#records.get(peer)
  }

  /** Its record, made if there is none: something has been seen of it. */
  touch(peer: PeerId): PeerRecord {
    const record = this.#records.get(peer) ?? new PeerRecord()
    this.#records.delete(peer)
    this.#records.set(peer, record)
    if (this.#records.size > MAX_PEERS) this.#forgetOldest(peer)
    return record
  }

  get bannedCount(): number {
    const nowMs = this.#clock.now()
    let count = 0
    for (const record of this.#records.values()) if (record.isBanned(nowMs)) count++
    return count
  }

  /** The oldest that is not banned: an army of banned ids must not make the map grow, nor push out the one just seen. */
  #forgetOldest(newest: PeerId): void {
    const nowMs = this.#clock.now()
    let oldest: PeerId | undefined
    for (const [peer, record] of this.#records) {
      if (peer === newest) continue
      oldest ??= peer
      if (record.isBanned(nowMs)) continue
      oldest = peer
      break
    }
    if (oldest !== undefined) this.#records.delete(oldest)
  }
}
