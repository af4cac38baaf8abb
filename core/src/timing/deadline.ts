/**
 * A deadline around work that may not know of signals: `work` gets a signal that aborts when the caller's does or when time
 * is up, and the wait ends then whether `work` listens or not. Nothing is left behind: no timer, no listener.
 */
import type { Clock } from './clock.ts'
import { CatalogError } from '../errors.ts'

/** @throws CatalogError PEER_TIMEOUT when time is up; `signal.reason` when aborted */
export async function withDeadline<Result>(
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { clock, timeoutMs, signal } = options
  signal.throwIfAborted()
  const limit = new AbortController()
  const timer = new AbortController()
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const stop = (reason: unknown): void => {
    reject(reason)
    limit.abort(reason)
  }
  const onAbort = (): void => stop(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  clock.sleep(timeoutMs, timer.signal).then(
    () => stop(new CatalogError('PEER_TIMEOUT', `no answer for ${timeoutMs} ms`)),
    () => undefined, // work was done first
  )
  try {
    return await Promise.race([work(limit.signal), ended])
  } finally {
    signal.removeEventListener('abort', onAbort)
    timer.abort()
  }
}
