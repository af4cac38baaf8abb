/** A token bucket: a burst after a pause, then a rate per second. Pure: the caller passes the time. */
export interface Rate {
  readonly perSecond: number
  /** May be spent at once after a rest; no cost may be higher. */
  readonly burst: number
}

export class TokenBucket {
  readonly #rate: Rate
  #tokens: number
  #filledAtMs: number | undefined

  constructor(rate: Rate) {
    this.#rate = rate
    this.#tokens = rate.burst
  }

  available(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - (this.#filledAtMs ?? nowMs))
    this.#filledAtMs = nowMs
    const filled = this.#tokens + (elapsedMs / 1000) * this.#rate.perSecond
    this.#tokens = Math.min(this.#rate.burst, filled)
    return this.#tokens
  }

  spend(cost: number): void {
    this.#tokens -= cost
  }

  /** Spends `cost` if it is there. */
  take(cost: number, nowMs: number): boolean {
    if (this.available(nowMs) < cost) return false
    this.spend(cost)
    return true
  }
}
