/**
 * Holds answers of one stream back until our own upload limit lets them go, and tells the asker so now and then: silence is
 * what a dead peer says. It sets no limit itself.
 */
import type { Clock } from '../../timing/clock.ts'
import { unlimited, type RateLimit } from '../rate-limit.ts'

/** A third of the time after which a peer counts as silent (silence-watch.ts). */
export const WAIT_EVERY_MS = 5_000

export class UploadThrottle {
  readonly #clock: Clock
  readonly #limit: RateLimit
  #held = 0

  constructor(clock: Clock, limit: RateLimit) {
    this.#clock = clock
    this.#limit = limit
  }

  /** There is no limit: nothing is ever held back. */
  get isOpen(): boolean {
    return this.#limit === unlimited
  }

  /** Answers held back now. */
  get held(): number {
    return this.#held
  }

  /**
   * Resolves when so many bytes may go; calls `onHeld` each time that the wait has lasted `WAIT_EVERY_MS` more.
   * @throws `signal.reason`
   */
  async take(
    bytes: number,
    { signal, onHeld }: { signal: AbortSignal; onHeld: () => void },
  ): Promise<void> {
    this.#held++
    const remind = (): void => {
      cancel = this.#clock.after(WAIT_EVERY_MS, remind)
      onHeld()
    }
    let cancel = this.#clock.after(WAIT_EVERY_MS, remind)
    try {
      await this.#limit.take(bytes, signal)
    } finally {
      cancel()
      this.#held--
    }
  }

  /** Bytes that were taken and are not sent. */
  giveBack(bytes: number): void {
    this.#limit.spend(-bytes)
  }
}
