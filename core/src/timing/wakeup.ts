/** Lets one loop sleep until something happens or time passes. A wake before the wait is not lost. */
import type { Clock } from './clock.ts'

export interface Wakeup {
  wake(): void
  /** One waiter. Resolves when woken or after `maxMs`; rejects with `signal.reason`. */
  wait(maxMs: number, signal: AbortSignal): Promise<void>
}

export function createWakeup(clock: Clock): Wakeup {
  let isWoken = false
  let resume: (() => void) | undefined

  return {
    wake() {
      isWoken = true
      resume?.()
    },

    async wait(maxMs, signal) {
      signal.throwIfAborted()
      if (!isWoken) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = new AbortController()
        resume = resolve
        signal.addEventListener('abort', () => resolve(), { once: true, signal: timer.signal })
        clock.sleep(maxMs, timer.signal).then(resolve, () => undefined) // aborted: woken first
        await promise
        timer.abort()
        resume = undefined
      }
      isWoken = false
      signal.throwIfAborted()
    },
  }
}
