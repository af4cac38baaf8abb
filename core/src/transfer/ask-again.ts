/**
 * Peers that may be asked a second time when there is nobody better: those that were busy, and those that hung up. Not before
 * everybody else has been asked, so it costs nothing where another source works; and a bounded number of times.
 */
import type { Clock } from '../clock.ts'
import { isCatalogError } from '../errors.ts'
import type { Attempt } from './hedge.ts'

/** Before a peer that hung up is asked again: its connection or its process may need a moment. */
export const HANG_UP_REST_MS = [250, 1_000, 2_000] as const
/** One that said BUSY is asked again after this pause, for so long. */
const BUSY_REST_MS = 250
const MAX_BUSY_MS = 10_000

export interface SecondRound {
  /** Everybody has been asked once; an origin has failed, or been silent for a while. */
  open(): void
  /** Whoever hung up is asked no more: there is an answer that will not get better. */
  close(): void
  /** The attempt, and `again` as often as it is worth it. */
  withMore<T>(first: Attempt<T>, again: () => Attempt<T>): Attempt<T>
}

export function createSecondRound(clock: Clock): SecondRound {
  const opened = Promise.withResolvers<void>()
  const closed = new AbortController()

  async function pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    await untilOr(opened.promise, signal)
    await clock.sleep(pauseMs, signal)
  }

  return {
    open: opened.resolve,
    close: () => closed.abort(new Error('there is nothing to ask again for')),
    withMore: (first, again) => ({
      ...first,
      async run(signal, giveWay) {
        const busyUntilMs = clock.now() + MAX_BUSY_MS
        let hangUps = 0
        for (let attempt = first; ; attempt = again()) {
          try {
            return await attempt.run(signal, giveWay)
          } catch (error) {
            signal.throwIfAborted()
            const isBusy = isCatalogError(error, 'PEER_BUSY') && clock.now() < busyUntilMs
            const hungUp = isCatalogError(error, 'PEER_UNREACHABLE')
            const restMs = isBusy ? BUSY_REST_MS : hungUp ? HANG_UP_REST_MS[hangUps++] : undefined
            if (restMs === undefined || (hungUp && closed.signal.aborted)) throw error
            giveWay()
            const until = hungUp ? AbortSignal.any([signal, closed.signal]) : signal
            try {
              await pause(restMs, until)
            } catch {
              signal.throwIfAborted()
              throw error // nobody wants to know any more
            }
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
