/** Error codes. Pure. */

/** Node's error code (ENOENT, ENOSPC, ...) or SQLite's message; undefined for what is neither. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
