/**
 * Work in a bounded queue that a signal takes out only while it waits. What has begun keeps its place to its end: p-queue by itself
 * frees the place as soon as the signal is aborted, whatever still runs.
 */
import type PQueue from 'p-queue'

/** @throws `signal.reason` where it has not begun; what `work` throws */
export async function queueUntilBegun<Result>(
  queue: PQueue,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted()
  const waiting = new AbortController()
  const leave = (): void => waiting.abort(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  const begin = (): Promise<Result> => {
    signal.removeEventListener('abort', leave)
    return work()
  }
  return await queue.add(begin, { signal: waiting.signal })
}
