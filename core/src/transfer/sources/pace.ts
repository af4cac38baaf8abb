/**
 * How long a download still takes, from the share of its own size that comes per unit of time. Bytes per second would favour
 * the peer that claims the most. Pure.
 */

/** A silence is expected to last this many times as long as it has so far: much at first and then nothing falls behind. */
const SILENCE_FACTOR = 4

/**
 * Milliseconds left at the pace so far; Infinity while there is none.
 * @param share that is present, 0 to 1
 * @param gained of it since the beginning, `elapsedMs` ago
 * @param idleMs since the last of it came
 */
export function remainingMs(share: number, gained: number, elapsedMs: number, idleMs = 0): number {
  if (share >= 1) return 0
  if (gained <= 0) return Infinity
  return Math.max(((1 - share) / gained) * elapsedMs, SILENCE_FACTOR * idleMs)
}
