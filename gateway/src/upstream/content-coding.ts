/**
 * Content-Encoding of what registries send, whatever was asked for: https://www.rfc-editor.org/rfc/rfc9110#section-8.4. Names
 * in any case, `x-gzip`, several on top of each other. Never yields more than it is told to, whatever the input unfolds to. Pure.
 */
import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'

export type ContentCoding = 'gzip' | 'deflate' | 'br' | 'zstd'

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH: BROTLI_FLUSH, ZSTD_e_flush } = zlib.constants
/** More on top of each other than anybody means. */
const MAX_CODINGS = 3
const NAMES: ReadonlyMap<string, ContentCoding | undefined> = new Map([
  ['', undefined],
  ['identity', undefined],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['zstd', 'zstd'],
] as const)

/**
 * The codings of a body, in the order in which they were applied.
 * @throws RangeError for one that is not known here, or too many
 */
export function parseContentEncoding(header: string | undefined): readonly ContentCoding[] {
  const codings: ContentCoding[] = []
  for (const part of (header ?? '').toLowerCase().split(',')) {
    const name = part.trim()
    if (!NAMES.has(name)) throw new RangeError(`content-encoding ${name.slice(0, 40)} is not known`)
    const coding = NAMES.get(name)
    if (coding !== undefined) codings.push(coding)
  }
  if (codings.length > MAX_CODINGS) throw new RangeError('content-encoding: too many')
  return codings
}

/**
 * The body without its codings.
 * @throws Error when it is not what they say; RangeError (ERR_BUFFER_TOO_LARGE) when more than `maxBytes` come of it
 */
export function decodeBody(
  body: Uint8Array,
  codings: readonly ContentCoding[],
  maxBytes: number,
): Uint8Array {
  return codings.toReversed().reduce((bytes, coding) => {
    return decodeOnce(bytes, coding, { maxOutputLength: maxBytes })
  }, body)
}

function decodeOnce(
  bytes: Uint8Array,
  coding: ContentCoding,
  options: { maxOutputLength: number; finishFlush?: number },
): Uint8Array {
  switch (coding) {
    case 'gzip':
      return zlib.gunzipSync(bytes, options)
    case 'deflate':
      return hasZlibHeader(bytes)
        ? zlib.inflateSync(bytes, options)
        : zlib.inflateRawSync(bytes, options)
    case 'br':
      return zlib.brotliDecompressSync(bytes, options)
    case 'zstd':
      return zlib.zstdDecompressSync(bytes, options)
  }
}

/**
 * Streams that undo `codings`, to be piped in this order. They bound nothing: whoever reads the last one does. A `deflate`
 * without zlib's header is an error here.
 */
export function contentDecoders(codings: readonly ContentCoding[]): Transform[] {
  return codings.toReversed().map((coding) => {
    switch (coding) {
      case 'gzip':
        return zlib.createGunzip()
      case 'deflate':
        return zlib.createInflate()
      case 'br':
        return zlib.createBrotliDecompress()
      case 'zstd':
        return zlib.createZstdDecompress()
    }
  })
}

/** Enough of a body to tell what is in it. */
export const HEAD_BYTES = 16 * 1024
const MAX_DECODED_HEAD_BYTES = 32 * 1024 * 1024

/**
 * Whether a gzip file comes out of a body that begins so: some servers call the tarball's own compression its coding, and
 * there is nothing to undo then.
 * @param head the first HEAD_BYTES, or all there is
 */
export function decodesToGzip(head: Uint8Array, codings: readonly ContentCoding[]): boolean {
  const maxOutputLength = MAX_DECODED_HEAD_BYTES
  try {
    const decoded = codings.toReversed().reduce((bytes, coding) => {
      switch (coding) {
        case 'gzip':
        case 'deflate':
          return decodeOnce(bytes, coding, { maxOutputLength, finishFlush: Z_SYNC_FLUSH })
        case 'br':
          return decodeOnce(bytes, coding, { maxOutputLength, finishFlush: BROTLI_FLUSH })
        case 'zstd':
          return decodeOnce(bytes, coding, { maxOutputLength, finishFlush: ZSTD_e_flush })
      }
    }, head)
    return decoded[0] === 0x1f && decoded[1] === 0x8b
  } catch {
    return false // it is not what it is said to be
  }
}

/** https://www.rfc-editor.org/rfc/rfc1950#section-2.2: the method is 8, and two bytes are a multiple of 31. */
function hasZlibHeader(bytes: Uint8Array): boolean {
  const [first = 0, second] = bytes
  return (first & 0x0f) === 8 && (second === undefined || (first * 256 + second) % 31 === 0)
}
