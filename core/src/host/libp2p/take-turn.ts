/** A place among those of a queue that work at once, for what can't run inside a function that the queue calls, such as a generator. */
import type PQueue from 'p-queue'

/** It is held until `done`. @throws `signal.reason` while it waits for it */
export async function takeTurn(queue: PQueue, signal: AbortSignal): Promise<{ done(): void }> {
  const finished = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  const place = queue.add(
    () => {
      started.resolve()
      return finished.promise
    },
    { signal },
  )
  await Promise.race([started.promise, place])
  return { done: () => finished.resolve() }
}
