/** When an origin last answered, and last failed. Bounded: tarballs may be anywhere, so there is no end of origins. */
import { LRUCache } from 'lru-cache'

const MAX_ORIGINS = 1_000
/** How long an origin counts as down after a network failure, milliseconds. */
const DOWN_MS = 5_000

export class OriginHealth {
  /** Unix time. */
  readonly #failedAt = new LRUCache<string, number>({ max: MAX_ORIGINS })
  /** `performance.now()` */
  readonly #answeredAt = new LRUCache<string, { ms: number }>({ max: MAX_ORIGINS })

  answered(origin: string): void {
    if (this.#failedAt.size > 0) this.#failedAt.delete(origin)
    const ms = performance.now()
    const last = this.#answeredAt.get(origin)
    if (last === undefined) this.#answeredAt.set(origin, { ms })
    else last.ms = ms
  }

  failed(origin: string): void {
    this.#failedAt.set(origin, Date.now())
  }

  isDown(origin: string): boolean {
    return Date.now() - (this.#failedAt.get(origin) ?? -Infinity) < DOWN_MS
  }

  /** Whether it has answered since `sinceMs` (`performance.now()`). */
  hasAnswered(origin: string, sinceMs: number): boolean {
    return (this.#answeredAt.get(origin)?.ms ?? -Infinity) >= sinceMs
  }
}
