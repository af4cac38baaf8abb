/**
 * How slowly a body that is read whole may come: a byte now and then keeps a connection from being silent, and would keep a
 * client waiting without end. Counted whenever something comes; silence itself has its own deadline (upstream.ts). Pure.
 */

/** What must come in each time that a silence may take. */
export const MIN_BYTES = 16 * 1024
/** So many such times may the whole take. */
export const MAX_TIMES = 10

export interface BodyPace {
  /** Why it is given up; undefined while it comes fast enough. */
  note(bytes: number, nowMs: number): string | undefined
}

export function createBodyPace(silenceMs: number, startMs: number): BodyPace {
  let sinceMs = startMs
  let received = 0
  return {
    note(bytes, nowMs) {
      received += bytes
      if (nowMs - startMs > silenceMs * MAX_TIMES) {
        return `it was not whole after ${silenceMs * MAX_TIMES} ms`
      }
      if (nowMs - sinceMs < silenceMs) return undefined
      const isSlow = received < MIN_BYTES
      sinceMs = nowMs
      received = 0
      return isSlow ? `less than ${MIN_BYTES} bytes came in ${silenceMs} ms` : undefined
    },
  }
}
