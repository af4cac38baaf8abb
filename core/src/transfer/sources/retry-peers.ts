/**
 * Asks peers again that were busy or hung up. Never before every other source has been tried, so it costs nothing where one of
 * them works; and a bounded number of times per peer.
 */
import type { Clock } from '../../timing/clock.ts'
import { isCatalogError } from '../../errors.ts'
import type { Attempt } from './hedge.ts'

/** Back-offs of a peer that hung up: its connection or its process may need a moment. */
export const HANG_UP_BACKOFF_MS = [250, 1_000, 2_000] as const
/** Back-off of a peer that said BUSY, and for how long in total it is asked again. */
const BUSY_BACKOFF_MS = 250
const MAX_BUSY_MS = 10_000
/** Busy peers are left in peace while an origin may still answer, but not for longer. */
const ORIGIN_PATIENCE_MS = 3_000

export interface RetryRound {
  /** Every source has been started once; an origin has failed, or been silent for a while. */
  open(): void
  /** `isFinal`: it works, and its answer will not get better; peers that hung up are asked no more. */
  originFailed(isFinal: boolean): void
  /** The attempt, and `again` as often as it is worth it. */
  withRetries<T>(first: Attempt<T>, again: () => Attempt<T>): Attempt<T>
}

export function createRetryRound(clock: Clock, options: { hasOrigin: boolean }): RetryRound {
  const opened = Promise.withResolvers<void>()
  const alone = Promise.withResolvers<void>()
  let closed: AbortController | undefined // of most downloads nobody is asked again
  const closing = (): AbortController => (closed ??= new AbortController())
  if (!options.hasOrigin) alone.resolve()

  async function untilAlone(signal: AbortSignal): Promise<void> {
    await untilOr(opened.promise, signal)
    const over = new AbortController()
    const patience = clock.sleep(ORIGIN_PATIENCE_MS, AbortSignal.any([signal, over.signal]))
    try {
      await Promise.race([alone.promise, patience])
    } finally {
      over.abort()
    }
  }

  /** Waits until a peer that failed so may be asked again. @throws when it may not */
  function createBackoff(): (error: unknown, signal: AbortSignal) => Promise<void> {
    let hangUps = 0
    let busyUntilMs: number | undefined
    return async (error, signal) => {
      if (isCatalogError(error, 'PEER_BUSY')) {
        if (busyUntilMs === undefined) {
          await untilAlone(signal)
          busyUntilMs = clock.now() + MAX_BUSY_MS
        }
        if (clock.now() >= busyUntilMs) throw error
        return await clock.sleep(BUSY_BACKOFF_MS, signal)
      }
      const backoffMs = HANG_UP_BACKOFF_MS[hangUps++]
      if (!isCatalogError(error, 'PEER_UNREACHABLE') || backoffMs === undefined) throw error
      const until = AbortSignal.any([signal, closing().signal])
      await untilOr(opened.promise, until)
      await clock.sleep(backoffMs, until)
    }
  }

  return {
    open: opened.resolve,
    originFailed(isFinal) {
      alone.resolve()
      if (isFinal) closing().abort(new Error('there is nothing to ask again for'))
    },
    withRetries: (first, again) => ({
      ...first,
      async run(signal, startNext) {
        const backOff = createBackoff()
        for (let attempt = first; ; attempt = again()) {
          try {
            return await attempt.run(signal, startNext)
          } catch (error) {
            signal.throwIfAborted()
            startNext()
            await backOff(error, signal).catch(() => {
              signal.throwIfAborted()
              throw error // it is not asked again
            })
          }
        }
      },
    }),
  }
}

async function untilOr(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
