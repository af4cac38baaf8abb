/** Calls `onExpire` once when nobody has extended it in time. Extending costs an assignment, so do it per message. */
import type { Clock } from './clock.ts'

export interface Watchdog {
  /** It expires `ms` from now. */
  extend(ms: number): void
  stop(): void
}

export function startWatchdog(clock: Clock, ms: number, onExpire: () => void): Watchdog {
  const stopped = new AbortController()
  let expiresAtMs = clock.now() + ms
  // The timer under way ends here; it is replaced only when an extension ends earlier.
  let timerAtMs = Infinity
  let timer = new AbortController()

  function arm(): void {
    timer.abort()
    timer = new AbortController()
    timerAtMs = expiresAtMs
    const waitMs = Math.max(0, expiresAtMs - clock.now())
    clock.sleep(waitMs, timer.signal).then(check, () => undefined) // aborted: stopped or re-armed
  }

  function check(): void {
    if (stopped.signal.aborted) return
    if (clock.now() < expiresAtMs) {
      arm()
      return
    }
    stopped.abort()
    onExpire()
  }

  arm()
  return {
    extend(extendMs) {
      expiresAtMs = clock.now() + extendMs
      if (expiresAtMs < timerAtMs && !stopped.signal.aborted) arm()
    },
    stop() {
      stopped.abort()
      timer.abort()
    },
  }
}
