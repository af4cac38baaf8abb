/**
 * How slowly a body may come: a byte now and then keeps a connection from being silent, and would keep a
 * client waiting without end. Counted whenever something comes; silence itself has its own deadline (upstream.ts). Pure.
 */

/** What must come of metadata in each time that a silence may take. */
export const MIN_BYTES = 16 * 1024
/** So many such times may the whole take. */
const MAX_TIMES = 10
/** Of a tarball: many come at once over a line that may be slow, and one of any size may take as long as it needs. */
const MIN_TARBALL_BYTES = 4 * 1024

/** Of a tarball. Its time is only that in which it is waited for: not what its reader takes. */
export function createTarballStallGuard(silenceMs: number): StallGuard {
  return createStallGuard(silenceMs, 0, { minBytes: MIN_TARBALL_BYTES, maxTimes: Infinity })
}

export interface StallGuard {
  /** Why it is given up; undefined while it comes fast enough. */
  record(bytes: number, nowMs: number): string | undefined
}

export function createStallGuard(
  silenceMs: number,
  startMs: number,
  { minBytes, maxTimes } = { minBytes: MIN_BYTES, maxTimes: MAX_TIMES },
): StallGuard {
  let sinceMs = startMs
  let received = 0
  return {
    record(bytes, nowMs) {
      received += bytes
      if (nowMs - startMs > silenceMs * maxTimes) {
        return `it was not whole after ${silenceMs * maxTimes} ms`
      }
      if (nowMs - sinceMs < silenceMs) return undefined
      const isSlow = received < minBytes
      sinceMs = nowMs
      received = 0
      return isSlow ? `less than ${minBytes} bytes came in ${silenceMs} ms` : undefined
    },
  }
}
