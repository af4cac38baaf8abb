/** Time as a collaborator, so that tests advance it instead of sleeping. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Clock {
  /** Milliseconds, monotonic, for measuring; no relation to the calendar. */
  now(): number
  /** Milliseconds since the Unix epoch, for what is persisted. */
  epochMs(): number
  /** Rejects with `signal.reason` when aborted. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `action` once unless cancelled before, for hot paths: no promise, no signal. Does not keep the process alive. */
  after(ms: number, action: () => void): CancelTimer
}

export type CancelTimer = () => void

export const systemClock: Clock = {
  now: () => performance.now(),
  epochMs: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, { ref: false, ...(signal && { signal }) })
    } catch (error) {
      signal?.throwIfAborted() // Node rejects with an AbortError of its own
      throw error
    }
  },
  after(ms, action) {
    const timer = setTimeout(action, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
