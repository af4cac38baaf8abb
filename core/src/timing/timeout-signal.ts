/** `AbortSignal.timeout` on a clock that tests and simulations advance. Holds its timer until it is due, or `until` aborts. */
import type { Clock } from './clock.ts'

/**
 * Aborts with a DOMException named TimeoutError, as the platform's own does.
 * @param until from when on nothing depends on it any more: the timer ends then, and it never aborts
 */
export function timeoutSignal(clock: Clock, timeoutMs: number, until?: AbortSignal): AbortSignal {
  const controller = new AbortController()
  if (until?.aborted === true) return controller.signal
  const cancel = clock.after(timeoutMs, () => {
    until?.removeEventListener('abort', cancel)
    controller.abort(new DOMException(`no result within ${timeoutMs} ms`, 'TimeoutError'))
  })
  until?.addEventListener('abort', cancel, { once: true })
  return controller.signal
}
