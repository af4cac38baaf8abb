/**
 * What we have learned about each peer: how fast it answers, how late it has been, whether it lied. Decides who is asked
 * first, how long a request waits before another is asked too, and who is banned for how long. Bans hold for the id, and for
 * its address once several ids of it have lied (group-bans.ts). Pure but for the clock.
 */
import type { Clock } from '../timing/clock.ts'
import type { PeerId } from '../host/host.ts'
import type { AddressGroup } from '../limits/address-group.ts'
import { GroupBans, type GroupBan } from './group-bans.ts'

/** A request is never given less, however quick the peer has been: a garbage collection pause is not a failure. */
const MIN_HEDGE_MS = 40
/** A silent peer costs a request no more than this. */
const MAX_HEDGE_MS = 90
const UNKNOWN_HEDGE_MS = 60
/** Late answers in a row that make a peer cool down; fewer are a busy moment. */
const COOL_AFTER = 3
const FIRST_COOLDOWN_MS = 500
const MAX_COOLDOWN_MS = 60_000
const FIRST_BAN_MS = 60_000
const MAX_BAN_MS = 24 * 3600_000
/** Peers remembered; the least recently seen is forgotten first. */
const MAX_PEERS = 5_000
/** Times in a row that a peer may have passed on a lie that could be another's, before it counts as its own. */
const LIE_AFTER_SUSPICIONS = 3

interface Score {
  /** Smoothed time to an answer and its deviation, as TCP does for round trips (RFC 6298). */
  answerMs: number | undefined
  deviationMs: number
  receivedBytes: number
  lateInARow: number
  /** Times it has had to cool down since its last good answer. */
  cooled: number
  coolUntilMs: number
  suspicions: number
  strikes: number
  bannedUntilMs: number
}

/** Functions without `this`: they can be handed on alone. */
export interface PeerScores {
  /**
   * A good answer. `answerMs` where it says how quickly the peer answers: absent for one chunk of many, which waited for
   * those before it.
   */
  readonly answered: (peer: PeerId, answer: { answerMs?: number; bytes: number }) => void
  /** It was too late, failed or said BUSY: ask others first for a while that grows. */
  readonly late: (peer: PeerId) => void
  /** It claimed what did not come: others are asked first at once, for a while that grows. */
  readonly backOff: (peer: PeerId) => void
  /** It broke the protocol or sent wrong bytes: banned for a time that grows. */
  readonly lied: (peer: PeerId, reason: string) => void
  /** It passed on a lie that may be another's: again and again, with no good answer between, it is its own. */
  readonly suspected: (peer: PeerId, reason: string) => void
  /** By its id, or by the address group that it comes from: looked up where it is not given. */
  readonly isBanned: (peer: PeerId, group?: AddressGroup) => boolean
  /** Late again and again: not worth waiting for while there is another source. */
  readonly isCooling: (peer: PeerId) => boolean
  readonly bannedCount: () => number
  readonly strikes: (peer: PeerId) => number
  /** Lies seen from anybody. */
  readonly totalStrikes: () => number
  readonly receivedBytes: (peer: PeerId) => number
  /** Milliseconds a request to it may stay unanswered before another peer is asked as well. */
  readonly hedgeMs: (peer: PeerId) => number
  /** Smoothed answer time. */
  readonly answerMs: (peer: PeerId) => number | undefined
  /** Best first; the banned are left out, those cooling down come last. */
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
  const scores = new Map<PeerId, Score>()
  let totalStrikes = 0

  function scoreOf(peer: PeerId): Score {
    let score = scores.get(peer)
    if (score === undefined) {
      score = {
        answerMs: undefined,
        deviationMs: 0,
        receivedBytes: 0,
        lateInARow: 0,
        cooled: 0,
        coolUntilMs: 0,
        suspicions: 0,
        strikes: 0,
        bannedUntilMs: 0,
      }
    } else {
      scores.delete(peer)
    }
    scores.set(peer, score)
    if (scores.size > MAX_PEERS) forgetOldest(peer)
    return score
  }

  // The oldest that is not banned; an army of banned ids must not make the map grow, nor push out the one just seen.
  function forgetOldest(newest: PeerId): void {
    let oldest: PeerId | undefined
    for (const [peer, score] of scores) {
      if (peer === newest) continue
      oldest ??= peer
      if (score.bannedUntilMs > clock.now()) continue
      oldest = peer
      break
    }
    if (oldest !== undefined) scores.delete(oldest)
  }

  function lied(peer: PeerId, reason: string): void {
    const score = scoreOf(peer)
    // What was under way when it was found out comes to light one by one: that is one reason, not many.
    if (score.bannedUntilMs > clock.now()) return
    score.strikes++
    score.suspicions = 0
    totalStrikes++
    const forMs = Math.min(MAX_BAN_MS, FIRST_BAN_MS * 4 ** (score.strikes - 1))
    score.bannedUntilMs = clock.now() + forMs
    options.onRecord?.({ peer, strikes: score.strikes, forMs })
    const group = options.groupOf?.(peer)
    const groupBan = group === undefined ? undefined : groups.lied(group, peer)
    if (groupBan !== undefined) options.onRecord?.(groupBan)
    onBan(peer, reason, forMs)
  }

  function cool(score: Score): void {
    const nowMs = clock.now()
    if (score.coolUntilMs > nowMs) return
    score.coolUntilMs = nowMs + Math.min(MAX_COOLDOWN_MS, FIRST_COOLDOWN_MS * 2 ** score.cooled)
    score.cooled++
  }

  /** Whoever has sent good bytes and never lied is not taken for its neighbours. */
  function isGroupBanned(peer: PeerId, given: AddressGroup | undefined): boolean {
    if (groups.isEmpty) return false
    const group = given ?? options.groupOf?.(peer)
    if (group === undefined || !groups.isBanned(group)) return false
    const score = scores.get(peer)
    return score === undefined || score.receivedBytes === 0 || score.strikes > 0
  }

  function isBanned(peer: PeerId, group?: AddressGroup): boolean {
    return (scores.get(peer)?.bannedUntilMs ?? 0) > clock.now() || isGroupBanned(peer, group)
  }

  for (const ban of options.restored ?? []) {
    if ('group' in ban) groups.restore(ban)
    else restore(ban)
  }

  function restore({ peer, strikes, forMs }: PeerBan): void {
    const score = scoreOf(peer)
    score.strikes = strikes
    score.bannedUntilMs = clock.now() + forMs
  }

  function cost(score: Score | undefined, outstanding: number, nowMs: number): number {
    if (score === undefined) return UNKNOWN_HEDGE_MS * (1 + outstanding)
    const cooling = score.coolUntilMs > nowMs ? 1e9 : 0
    return cooling + (score.answerMs ?? UNKNOWN_HEDGE_MS) * (1 + outstanding)
  }

  return {
    answered(peer, { answerMs, bytes }) {
      const score = scoreOf(peer)
      score.receivedBytes += bytes
      score.suspicions = 0
      score.lateInARow = 0
      score.cooled = 0
      score.coolUntilMs = 0
      if (answerMs === undefined) return
      if (score.answerMs === undefined) {
        score.answerMs = answerMs
        score.deviationMs = answerMs / 2
        return
      }
      const error = answerMs - score.answerMs
      score.answerMs += error / 8
      score.deviationMs += (Math.abs(error) - score.deviationMs) / 4
    },
    late(peer) {
      const score = scoreOf(peer)
      score.lateInARow++
      // Requests under way together are late together: that is one reason to cool down, not many.
      if (score.lateInARow >= COOL_AFTER) cool(score)
    },
    backOff: (peer) => cool(scoreOf(peer)),
    lied,
    suspected(peer, reason) {
      const score = scoreOf(peer)
      score.suspicions++
      if (score.suspicions >= LIE_AFTER_SUSPICIONS) lied(peer, reason)
    },
    isCooling: (peer) => (scores.get(peer)?.coolUntilMs ?? 0) > clock.now(),
    isBanned,
    bannedCount() {
      let count = 0
      for (const score of scores.values()) if (score.bannedUntilMs > clock.now()) count++
      return count
    },
    strikes: (peer) => scores.get(peer)?.strikes ?? 0,
    totalStrikes: () => totalStrikes,
    receivedBytes: (peer) => scores.get(peer)?.receivedBytes ?? 0,
    hedgeMs(peer) {
      const score = scores.get(peer)
      if (score?.answerMs === undefined) return UNKNOWN_HEDGE_MS
      const learned = score.answerMs + 4 * score.deviationMs
      return Math.min(MAX_HEDGE_MS, Math.max(MIN_HEDGE_MS, learned))
    },
    answerMs: (peer) => scores.get(peer)?.answerMs,
    rank(peers, outstanding) {
      const nowMs = clock.now()
      return peers
        .filter((peer) => !isBanned(peer))
        .map((peer) => ({ peer, cost: cost(scores.get(peer), outstanding(peer), nowMs) }))
        .sort((a, b) => a.cost - b.cost)
        .map(({ peer }) => peer)
    },
  }
}
