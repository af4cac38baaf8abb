/**
 * Whether the disk answers so promptly that a call on the thread that asks costs less than one on another. Told of how long calls
 * took: the first after a rest is another thread's, since a disk may have stopped turning meanwhile, and so are all for a while
 * after one that was slow, twice as long for each slow one of this thread in a row. What remains: a disk or a network mount that
 * stops answering between two calls of a second keeps the thread waiting for as long as it takes, once; one that is always slow
 * does so less and less often, down to once in ten minutes, since only a call of this thread can tell.
 */
import type { Clock } from '../../timing/clock.ts'

/** A call that takes longer was no page cache's, or the processor was another's. */
const SLOW_MS = 5
/** For so many times as long as a slow call took the disk is left alone, which bounds what it can cost. */
const LEFT_ALONE = 10
const MAX_LEFT_ALONE_MS = 600_000
/** For so long a prompt call speaks for the next. */
const PROMPT_FOR_MS = 1_000

export class Promptness {
  readonly #clock: Pick<Clock, 'now'>
  #promptUntilMs = -Infinity
  #leftAloneUntilMs = -Infinity
  /** Calls of this thread, in a row. */
  #slowHere = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** When a call that is made now began; undefined: it is another thread's. */
  begin(): number | undefined {
    const nowMs = this.#clock.now()
    return nowMs < this.#promptUntilMs && nowMs >= this.#leftAloneUntilMs ? nowMs : undefined
  }

  /** Milliseconds that it took. */
  end(startedMs: number): number {
    const ms = this.#clock.now() - startedMs
    this.#slowHere = ms <= SLOW_MS ? 0 : this.#slowHere + 1
    this.took(ms)
    return ms
  }

  /** One of the thread pool has come back: how long that took says nothing, since it waited for its turn there and for one here. */
  cameBack(): void {
    this.#promptUntilMs = this.#clock.now() + PROMPT_FOR_MS
  }

  /** A call has just taken so long, on whatever thread. */
  took(ms: number): void {
    const nowMs = this.#clock.now()
    if (ms <= SLOW_MS) {
      this.#promptUntilMs = nowMs + PROMPT_FOR_MS
    } else {
      this.#promptUntilMs = -Infinity
      const forMs = LEFT_ALONE * ms * 2 ** Math.max(0, this.#slowHere - 1)
      const untilMs = nowMs + Math.min(forMs, MAX_LEFT_ALONE_MS)
      this.#leftAloneUntilMs = Math.max(this.#leftAloneUntilMs, untilMs)
    }
  }
}
