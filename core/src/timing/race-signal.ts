/** For promises of libp2p that do not heed the signal they are given. Ends the wait, not the work. */

/** The promise's result, or a rejection with `signal.reason` as soon as it aborts. What it brings later goes to `onLate`. */
export async function raceSignal<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  onLate: (result: T) => void = () => undefined,
): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => {
    aborted.reject(signal.reason)
    promise.then(onLate, () => undefined)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
