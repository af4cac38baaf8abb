/** Work under one key, so much of it at once: what would be too much waits in a line of its own, first come first served. */
import { createSemaphore, type Semaphore } from './semaphore.ts'

export interface Turn {
  readonly key: string
  /** At once; 1 unless given. */
  readonly places?: number
  /** Whoever waits leaves the line by it. */
  readonly signal: AbortSignal
}

/**
 * @param options.checkLine throws for a line that is too long already
 * @returns rejects with `signal.reason`, or what the work does
 */
export function createTurns(
  options: { readonly checkLine?: (waiting: number) => void } = {},
): <Result>(turn: Turn, work: () => Promise<Result>) => Promise<Result> {
  const lines = new Map<string, Semaphore>()
  return async ({ key, places = 1, signal }, work) => {
    signal.throwIfAborted()
    const line = lines.get(key) ?? createSemaphore(places)
    options.checkLine?.(line.waiting)
    lines.set(key, line)
    await line.acquire(signal)
    try {
      return await work()
    } finally {
      line.release()
      if (line.taken === 0 && lines.get(key) === line) lines.delete(key)
    }
  }
}
