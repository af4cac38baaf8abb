/** While our own upload limit holds an answer back, its asker is told so now and then: silence is what a dead peer says. */
import type { Clock } from '../../timing/clock.ts'

/** A third of the time after which a peer counts as silent (silence-watch.ts). */
export const WAIT_EVERY_MS = 5_000

/** What `waiting` resolves to; `tell` is called each time it has taken so long again. */
export async function telling<T>(clock: Clock, tell: () => void, waiting: Promise<T>): Promise<T> {
  let cancel = clock.after(WAIT_EVERY_MS, again)
  function again(): void {
    cancel = clock.after(WAIT_EVERY_MS, again)
    tell()
  }
  try {
    return await waiting
  } finally {
    cancel()
  }
}
