/** The Range header (RFC 9110 14.2), one range of bytes only: pure. */

/** Offsets [start, end). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The range asked for within `size` bytes; `whole` when there is none that can be honoured (several, or not bytes: a server
 * may then send all), `unsatisfiable` when it lies outside.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replace(/\s/g, '') ?? '')
  const [, from = '', to = ''] = match ?? []
  if (from === '' && to === '') return 'whole'
  if (from === '') {
    const last = Math.min(Number(to), size)
    return last === 0 ? 'unsatisfiable' : { start: size - last, end: size }
  }
  const start = Number(from)
  const end = to === '' ? size : Math.min(Number(to) + 1, size)
  if (start >= size) return 'unsatisfiable'
  return end <= start ? 'whole' : { start, end }
}
