/**
 * When write-behind begins: in the first pause of an install, which then has the processor for itself; at once when much is
 * queued or a caller waits for the disk. What a crash loses meanwhile is fetched again, and is never there by half.
 */
import type { Clock } from '../../timing/clock.ts'

/** Nothing new for this long is a pause. */
const QUIET_MS = 500
/** A download that goes on puts writing off for so long, counted from the latest operation that was queued. */
const MAX_ACTIVITY_MS = 5_000

export class WriteDelay {
  readonly #clock: Clock
  readonly #isUrgent: () => boolean
  #urgentWork = 0
  #queuedAtMs = 0
  #activeAtMs = 0
  #wake: (() => void) | undefined

  constructor(clock: Clock, isUrgent: () => boolean) {
    this.#clock = clock
    this.#isUrgent = isUrgent
  }

  /** Something new is to be written. */
  onQueued(): void {
    this.#queuedAtMs = this.#clock.now()
    if (this.#mustStart) this.#wake?.()
  }

  /** Something is under way: not a pause, though nothing is to be written. */
  onActivity(): void {
    this.#activeAtMs = this.#clock.now()
  }

  /** No delay while `work` waits for the disk. */
  async runUrgently(work: () => Promise<void>): Promise<void> {
    this.#urgentWork += 1
    this.#wake?.()
    try {
      await work()
    } finally {
      this.#urgentWork -= 1
    }
  }

  /** Resolves when writing may begin. */
  async untilElapsed(): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    try {
      for (;;) {
        const activeUntilMs = Math.min(
          this.#activeAtMs + QUIET_MS,
          this.#queuedAtMs + MAX_ACTIVITY_MS,
        )
        const leftMs = Math.max(this.#queuedAtMs + QUIET_MS, activeUntilMs) - this.#clock.now()
        if (this.#mustStart || leftMs <= 0) return
        await this.#clock.sleep(leftMs, woken.signal)
      }
    } catch (error) {
      if (!woken.signal.aborted) throw error
    } finally {
      this.#wake = undefined
    }
  }

  get #mustStart(): boolean {
    return this.#urgentWork > 0 || this.#isUrgent()
  }
}
