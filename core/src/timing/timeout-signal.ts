/** `AbortSignal.timeout` on a clock that tests and simulations advance. Holds its timer until it is due: for short times. */
import type { Clock } from './clock.ts'

/** Aborts with a DOMException named TimeoutError, as the platform's own does. */
export function timeoutSignal(clock: Clock, timeoutMs: number): AbortSignal {
  const controller = new AbortController()
  clock.after(timeoutMs, () =>
    controller.abort(new DOMException(`no result within ${timeoutMs} ms`, 'TimeoutError')),
  )
  return controller.signal
}
