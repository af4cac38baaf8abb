/**
 * Work that others cause, at a rate in total and per address group. Work beyond the rate waits, and is served group by group
 * in turn, so that a busy address delays itself first. Bounded by its callers: each waits once.
 */
import { LRUCache } from 'lru-cache'
import type { CancelTimer, Clock } from '../timing/clock.ts'
import type { AddressGroup } from './address-group.ts'
import { TokenBucket, type Rate } from './token-bucket.ts'

export interface PaceLimits {
  readonly total: Rate
  readonly ofGroup: Rate
}

const TICK_MS = 20
const MAX_GROUPS = 2_000

interface Waiter {
  readonly cost: number
  readonly resolve: () => void
}

export class FairPace {
  readonly #clock: Clock
  readonly #limits: PaceLimits
  readonly #total: TokenBucket
  readonly #buckets = new LRUCache<AddressGroup, TokenBucket>({ max: MAX_GROUPS })
  /** The group whose turn is next comes first. */
  readonly #waiting = new Map<AddressGroup, Waiter[]>()
  #cancelTick: CancelTimer | undefined

  constructor(clock: Clock, limits: PaceLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#total = new TokenBucket(limits.total)
  }

  /** Undefined when it may be done now, else a promise that resolves when it may; never rejects. */
  take(group: AddressGroup, cost: number): Promise<void> | undefined {
    const waiters = this.#waiting.get(group)
    if (waiters === undefined && this.#spend(group, cost)) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    if (waiters === undefined) this.#waiting.set(group, [{ cost, resolve }])
    else waiters.push({ cost, resolve })
    this.#cancelTick ??= this.#clock.after(TICK_MS, () => this.#tick())
    return promise
  }

  /** Lets all go on, to their end. */
  stop(): void {
    this.#cancelTick?.()
    this.#cancelTick = undefined
    for (const waiters of this.#waiting.values()) for (const { resolve } of waiters) resolve()
    this.#waiting.clear()
  }

  #tick(): void {
    this.#cancelTick = undefined
    let isServing = true
    while (isServing) {
      isServing = false
      for (const [group, waiters] of [...this.#waiting]) {
        const [first] = waiters
        if (first === undefined || !this.#spend(group, first.cost)) continue
        isServing = true
        waiters.shift()
        // Served: to the end of the line.
        this.#waiting.delete(group)
        if (waiters.length > 0) this.#waiting.set(group, waiters)
        first.resolve()
      }
    }
    if (this.#waiting.size > 0) this.#cancelTick = this.#clock.after(TICK_MS, () => this.#tick())
  }

  #spend(group: AddressGroup, cost: number): boolean {
    const now = this.#clock.now()
    let bucket = this.#buckets.get(group)
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#limits.ofGroup)
      this.#buckets.set(group, bucket)
    }
    if (bucket.available(now) < cost || this.#total.available(now) < cost) return false
    bucket.spend(cost)
    this.#total.spend(cost)
    return true
  }
}
