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
        // No sleep and no signal of its own: a node at rest waits here a hundred times a minute.
        const onAbort = (): void => resolve()
        const cancel = clock.after(maxMs, resolve)
        resume = resolve
        signal.addEventListener('abort', onAbort, { once: true })
        await promise
        signal.removeEventListener('abort', onAbort)
        cancel()
        resume = undefined
      }
      isWoken = false
      signal.throwIfAborted()
    },
  }
}
