/**
 * Whether a reader takes what is written for it. Only the time in which a write is under way counts, so neither seldom requests
 * nor our own upload limit are held against it. A reader that takes nothing at all is not seen here: no write ends then.
 */

/** A reader that takes nothing for this long is dropped, with what we hold for it. */
export const STUCK_MS = 60_000
/** After that much time in writes, a lower average is as good as nothing: one small answer per minute would hold large ones. */
const MIN_BYTES_PER_MS = 4

export interface ReaderPace {
  /** A write of so many bytes took so long. False when the reader is too slow. */
  took(ms: number, bytes: number): boolean
}

export function createReaderPace(): ReaderPace {
  let writingMs = 0
  let takenBytes = 0
  return {
    took(ms, bytes) {
      writingMs += ms
      takenBytes += bytes
      if (writingMs < STUCK_MS) return true
      const isEnough = takenBytes >= writingMs * MIN_BYTES_PER_MS
      writingMs = 0
      takenBytes = 0
      return isEnough
    },
  }
}
