/**
 * Hedged requests: start the best attempt, start the next one too when it fails or stays silent too long, take the first
 * that succeeds and cancel the rest. ("The Tail at Scale", Dean and Barroso, CACM 56(2), 2013.)
 */
import type { CancelTimer, Clock } from '../../timing/clock.ts'

const NOTHING = (): void => undefined

export interface Attempt<T> {
  /** `startNext`: the next attempt may start beside it now, before its time is over. */
  run(signal: AbortSignal, startNext: () => void): Promise<T>
  /** Milliseconds before the next attempt starts beside this one; undefined: when it says so, or fails. */
  readonly hedgeMs: number | undefined
  /** Asked when `hedgeMs` is over: true means it is making progress and is given as long again, or for `nextMs`. */
  isProgressing?(): boolean
  nextMs?(): number
  /** Told that a later attempt had to be started because of it, or overtook it. */
  onLate?(): void
}

/**
 * Calls `onLate` once when it has had its time and makes no progress. The function returned ends the watch: whoever gave the attempt calls it
 * when that has settled.
 */
export function watchAttempt<T>(
  attempt: Pick<Attempt<T>, 'hedgeMs' | 'isProgressing' | 'nextMs'>,
  clock: Pick<Clock, 'after'>,
  onLate: () => void,
): CancelTimer {
  const { hedgeMs } = attempt
  if (hedgeMs === undefined) return NOTHING
  let isOver = false
  let stop = NOTHING
  const look = (): void => {
    if (isOver) return
    if (attempt.isProgressing?.() === true) return wait(attempt.nextMs?.() ?? hedgeMs)
    isOver = true
    onLate()
  }
  const wait = (ms: number): void => {
    // A timer that is late because the thread was busy must not beat the answer that waits behind it.
    stop = clock.after(ms, () => void setImmediate(look))
  }
  wait(hedgeMs)
  return () => {
    isOver = true
    stop()
  }
}

/**
 * @throws the last attempt's error when all failed; `signal.reason` when aborted
 * @param next gives attempts best first; undefined when there are no more
 */
export async function hedge<T>(
  next: () => Attempt<T> | undefined,
  deps: { clock: Clock; signal: AbortSignal; onDiscarded?: (result: T) => void },
): Promise<T> {
  const { clock, signal } = deps
  signal.throwIfAborted()
  const cancel = new AbortController()
  return await new Promise<T>((resolve, reject) => {
    let running = 0
    let settled = false
    let exhausted = false
    let lastError: unknown
    const watches = new Set<CancelTimer>()

    function finish(action: () => void): void {
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      for (const stop of watches) stop()
      if (running > 0) {
        cancel.abort(signal.aborted ? signal.reason : new Error('another source was quicker'))
      }
      action()
    }
    function onAbort(): void {
      finish(() => reject(signal.reason))
    }

    function start(): void {
      if (settled || exhausted) return
      const attempt = next()
      if (attempt === undefined) {
        exhausted = true
        if (running === 0) finish(() => reject(lastError))
        return
      }
      running++
      let movedOn = false
      const moveOn = (): void => {
        if (movedOn) return
        movedOn = true
        stop()
        watches.delete(stop)
        start()
      }
      const stop = watchAttempt(attempt, clock, () => {
        attempt.onLate?.()
        moveOn()
      })
      watches.add(stop)
      attempt.run(cancel.signal, moveOn).then(
        (result) => {
          running--
          if (settled) deps.onDiscarded?.(result)
          else finish(() => resolve(result))
        },
        (error: unknown) => {
          running--
          lastError = error
          moveOn()
          if (exhausted && running === 0) finish(() => reject(lastError))
        },
      )
    }

    signal.addEventListener('abort', onAbort, { once: true })
    start()
  })
}
