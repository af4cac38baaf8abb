/** How much a peer may ask of us: a token bucket. Pure: the caller says what time it is. */
export interface RateBudget {
  /** Takes `cost` if it is there. */
  take(cost: number, nowMs: number): boolean
}

export function createRateBudget(options: {
  /** What may be taken at once after a rest. */
  readonly burst: number
  readonly perSecond: number
}): RateBudget {
  let tokens = options.burst
  let filledAtMs: number | undefined

  return {
    take(cost, nowMs) {
      const elapsedMs = Math.max(0, nowMs - (filledAtMs ?? nowMs))
      filledAtMs = nowMs
      tokens = Math.min(options.burst, tokens + (elapsedMs / 1000) * options.perSecond)
      if (tokens < cost) return false
      tokens -= cost
      return true
    },
  }
}
