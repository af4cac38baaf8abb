/**
 * Work that several callers ask for at once is done once. A caller that goes away leaves alone; the work is aborted only when no
 * caller waits for it any more.
 */

export interface SingleFlight<T> {
  /** Joins the work under `key`, or starts it. Rejects with `signal.reason` when this caller's signal aborts. */
  run(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
  /** Whether it is under way. */
  has(key: string): boolean
  /** Works under way. */
  readonly size: number
}

interface Flight<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiting: number
}

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>()

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const result = work(controller.signal).finally(() => {
      if (flights.get(key) === flight) flights.delete(key)
    })
    // Everyone may have left by the time it fails; whoever is still here sees the rejection through `run`.
    result.catch(() => undefined)
    const flight: Flight<T> = { result, controller, waiting: 0 }
    flights.set(key, flight)
    return flight
  }

  return {
    has: (key) => flights.has(key),
    get size() {
      return flights.size
    },
    async run(key, work, signal) {
      signal.throwIfAborted()
      const flight = flights.get(key) ?? start(key, work)
      flight.waiting += 1
      const left = Promise.withResolvers<never>()
      const leave = (): void => left.reject(signal.reason)
      signal.addEventListener('abort', leave, { once: true })
      try {
        return await Promise.race([flight.result, left.promise])
      } finally {
        signal.removeEventListener('abort', leave)
        flight.waiting -= 1
        if (flight.waiting === 0 && flights.get(key) === flight) {
          // Late comers must not join a work that is being given up.
          flights.delete(key)
          flight.controller.abort(signal.reason)
        }
      }
    },
  }
}
