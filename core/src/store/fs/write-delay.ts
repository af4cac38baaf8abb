/**
 * When write-behind begins: at the first rest, so that in the middle of an install the processor is left to it; at once when
 * much waits or somebody waits for the disk. What a kill takes in that moment is fetched again, never half there.
 */
import type { Clock } from '../../timing/clock.ts'

/** Nothing new for this long is a rest. */
const QUIET_MS = 500
/** A download that goes on puts writing off for so long, counted from the latest wish. */
const MAX_BUSY_MS = 5_000

export class WritePause {
  readonly #clock: Clock
  readonly #isUrgent: () => boolean
  #hurried = 0
  #wantedAtMs = 0
  #busyAtMs = 0
  #wake: (() => void) | undefined

  constructor(clock: Clock, isUrgent: () => boolean) {
    this.#clock = clock
    this.#isUrgent = isUrgent
  }

  /** Something new is to be written. */
  wanted(): void {
    this.#wantedAtMs = this.#clock.now()
    if (this.#mustStart) this.#wake?.()
  }

  /** Something is under way: not a rest, though nothing is to be written. */
  busy(): void {
    this.#busyAtMs = this.#clock.now()
  }

  /** No pause while `work` waits for the disk. */
  async hurry(work: () => Promise<void>): Promise<void> {
    this.#hurried += 1
    this.#wake?.()
    try {
      await work()
    } finally {
      this.#hurried -= 1
    }
  }

  /** Resolves when writing may begin. */
  async over(): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    try {
      for (;;) {
        const busyMs = Math.min(this.#busyAtMs + QUIET_MS, this.#wantedAtMs + MAX_BUSY_MS)
        const leftMs = Math.max(this.#wantedAtMs + QUIET_MS, busyMs) - this.#clock.now()
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
    return this.#hurried > 0 || this.#isUrgent()
  }
}
