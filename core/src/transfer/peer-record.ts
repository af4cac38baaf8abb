/**
 * What we have learned about one peer: how fast it answers, how often it was too late, whether it lied. Pure: time is given,
 * and what follows from it is for its user to do.
 */
import { backOffMs } from '../timing/back-off.ts'

/** A request is never given less, however quick the peer has been: a garbage collection pause is not a failure. */
const MIN_HEDGE_MS = 40
/** A silent peer costs a request no more than this. */
const MAX_HEDGE_MS = 90
const UNKNOWN_HEDGE_MS = 60
/** Timeouts in a row before a back-off; fewer are a busy moment. */
const TIMEOUTS_BEFORE_BACKOFF = 3
const BACK_OFF = { firstMs: 500, maxMs: 60_000 }
const BAN = { firstMs: 60_000, maxMs: 24 * 3600_000, factor: 4 }
/** Times in a row that a peer may have passed on a lie that could be another's, before it counts as its own. */
const LIE_AFTER_SUSPICIONS = 3
/** Added to the cost of a peer that is backed off: it comes after all others. */
const BACKED_OFF_COST = 1e9

export class PeerRecord {
  receivedBytes = 0
  /** Lies seen from it. */
  strikes = 0
  /** Smoothed time to an answer and its deviation, as TCP does for round trips (RFC 6298). */
  answerMs: number | undefined
  #deviationMs = 0
  #timeoutsInARow = 0
  /** Back-offs since its last good answer. */
  #backoffs = 0
  #backedOffUntilMs = 0
  #suspicions = 0
  #bannedUntilMs = 0

  /** A good answer. */
  answered({ answerMs, bytes }: { answerMs?: number; bytes: number }): void {
    this.receivedBytes += bytes
    this.#suspicions = 0
    this.#timeoutsInARow = 0
    this.#backoffs = 0
    this.#backedOffUntilMs = 0
    if (answerMs !== undefined) this.#smooth(answerMs)
  }

  recordTimeout(nowMs: number): void {
    this.#timeoutsInARow++
    // Requests under way together time out together: that is one reason to back off, not many.
    if (this.#timeoutsInARow >= TIMEOUTS_BEFORE_BACKOFF) this.backOff(nowMs)
  }

  backOff(nowMs: number): void {
    if (this.isBackedOff(nowMs)) return
    this.#backoffs++
    this.#backedOffUntilMs = nowMs + backOffMs(this.#backoffs, BACK_OFF)
  }

  isBackedOff(nowMs: number): boolean {
    return this.#backedOffUntilMs > nowMs
  }

  /** True when it has happened too often in a row to be another's lie each time. */
  suspect(): boolean {
    this.#suspicions++
    return this.#suspicions >= LIE_AFTER_SUSPICIONS
  }

  /** Bans it. Returns for how many milliseconds. */
  penalize(nowMs: number): number {
    this.strikes++
    this.#suspicions = 0
    const forMs = backOffMs(this.strikes, BAN)
    this.#bannedUntilMs = nowMs + forMs
    return forMs
  }

  /** A ban of an earlier run. */
  restore(strikes: number, bannedUntilMs: number): void {
    this.strikes = strikes
    this.#bannedUntilMs = bannedUntilMs
  }

  isBanned(nowMs: number): boolean {
    return this.#bannedUntilMs > nowMs
  }

  /** It has sent good bytes and never lied. */
  get isProven(): boolean {
    return this.receivedBytes > 0 && this.strikes === 0
  }

  /** Milliseconds a request to it may stay unanswered before another peer is asked as well. */
  get hedgeMs(): number {
    if (this.answerMs === undefined) return UNKNOWN_HEDGE_MS
    const learned = this.answerMs + 4 * this.#deviationMs
    return Math.min(MAX_HEDGE_MS, Math.max(MIN_HEDGE_MS, learned))
  }

  /** Expected milliseconds to one more answer behind so many; the least is asked first. */
  cost(outstanding: number, nowMs: number): number {
    const penalty = this.isBackedOff(nowMs) ? BACKED_OFF_COST : 0
    return penalty + (this.answerMs ?? UNKNOWN_HEDGE_MS) * (1 + outstanding)
  }

  #smooth(answerMs: number): void {
    if (this.answerMs === undefined) {
      this.answerMs = answerMs
      this.#deviationMs = answerMs / 2
      return
    }
    const error = answerMs - this.answerMs
    this.answerMs += error / 8
    this.#deviationMs += (Math.abs(error) - this.#deviationMs) / 4
  }
}
