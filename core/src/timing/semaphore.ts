/**
 * A counting semaphore: a number of slots; further callers wait in line, first come first served, and leave the line when
 * their signal aborts.
 */

export interface Semaphore {
  /** Resolves with a place taken. Rejects with `signal.reason`, or what `close` was given. */
  acquire(signal: AbortSignal): Promise<void>
  /** Takes a place if one is free: what costs nothing. Never throws, also not when it has been closed. */
  tryAcquire(): boolean
  /** Gives a place back. */
  release(): void
  /** Everyone in line, and everyone later, is rejected. */
  close(reason: Error): void
  readonly taken: number
  /** Length of the line. */
  readonly waiting: number
}

export function createSemaphore(places: number): Semaphore {
  const line = new Set<PromiseWithResolvers<void>>()
  let free = places
  let closed: Error | undefined

  function tryAcquire(): boolean {
    if (closed !== undefined || free === 0) return false
    free--
    return true
  }

  return {
    tryAcquire,
    async acquire(signal) {
      signal.throwIfAborted()
      if (closed !== undefined) throw closed
      if (tryAcquire()) return
      const turn = Promise.withResolvers<void>()
      // Leaving the line and being called are both synchronous: a slot is never handed to a caller that has left.
      const leave = (): void => {
        if (line.delete(turn)) turn.reject(signal.reason)
      }
      line.add(turn)
      signal.addEventListener('abort', leave, { once: true })
      try {
        await turn.promise
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
    release() {
      if (closed !== undefined) return
      const [next] = line
      if (next === undefined) {
        free++
        return
      }
      line.delete(next)
      next.resolve()
    },
    close(reason) {
      closed = reason
      free = places
      for (const turn of line) turn.reject(reason)
      line.clear()
    },
    get taken() {
      return places - free
    },
    get waiting() {
      return line.size
    },
  }
}
