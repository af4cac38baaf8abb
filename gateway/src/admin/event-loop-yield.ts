/** Yields to the event loop: long work takes a bounded number of steps per turn of it, so that other work comes in between. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/**
 * Call and await it before each step; however many pieces of work share it, together they take at most `maxSteps` per turn.
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
