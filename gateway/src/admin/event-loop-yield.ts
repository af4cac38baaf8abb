/** Shares of the event loop: long work takes a bounded number of steps in each of its turns, so that others come in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Call and await it before each step; however many pieces of work share it, together they take at most `maxSteps` a turn.
 * The turn after a full one begins when timers and sockets have been served.
 */
export function createYield(maxSteps: number): () => Promise<void> {
  let left = maxSteps
  let next: Promise<void> | undefined
  const begin = async (): Promise<void> => {
    await nextTurn()
    left = maxSteps
    next = undefined
  }
  return async () => {
    while (left === 0) await (next ??= begin())
    left -= 1
  }
}
