/** Calls `onExpire` once when nobody has extended it in time. Extending costs an assignment, so do it per message. */
import type { CancelTimer, Clock } from './clock.ts'

export interface Watchdog {
  /** It expires `ms` from now. */
  extend(ms: number): void
  stop(): void
}

export function startWatchdog(clock: Clock, ms: number, onExpire: () => void): Watchdog {
  let isOver = false
  let expiresAtMs = clock.now() + ms
  // The timer under way ends here; it is replaced only when an extension ends earlier.
  let timerAtMs = Infinity
  let cancel: CancelTimer | undefined

  function arm(): void {
    cancel?.()
    timerAtMs = expiresAtMs
    cancel = clock.after(Math.max(0, expiresAtMs - clock.now()), check)
  }

  function check(): void {
    if (clock.now() < expiresAtMs) {
      arm()
      return
    }
    isOver = true
    onExpire()
  }

  arm()
  return {
    extend(extendMs) {
      expiresAtMs = clock.now() + extendMs
      if (expiresAtMs < timerAtMs && !isOver) arm()
    },
    stop() {
      isOver = true
      cancel?.()
    },
  }
}
