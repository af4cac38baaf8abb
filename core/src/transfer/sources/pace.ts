/**
 * How long a download still takes, by the share of its own size that comes in a time. Bytes a second would favour whoever
 * claims the most. Pure.
 */

/**
 * Milliseconds left at the pace so far; Infinity while there is none.
 * @param share that is present, 0 to 1
 * @param gained of it since the beginning, `elapsedMs` ago
 */
export function remainingMs(share: number, gained: number, elapsedMs: number): number {
  if (share >= 1) return 0
  if (gained <= 0) return Infinity
  return ((1 - share) / gained) * elapsedMs
}
