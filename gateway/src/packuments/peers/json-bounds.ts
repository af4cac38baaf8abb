/**
 * What a peer's JSON may make of the memory of the thread that parses it, told before it is parsed: two bytes of text can become
 * fifty of objects, and Node ends the whole process, not the thread, when memory runs out inside of JSON.parse. Whether the
 * text is JSON at all is not seen here. Pure; one pass over the bytes.
 */

export interface JsonBounds {
  /** Of the text. */
  readonly bytes: number
  /** Members of objects and arrays, and these themselves. */
  readonly values: number
  /** Objects and arrays in one another. */
  readonly depth: number
}

/**
 * Of a package's metadata as peers send it. The largest packages of npm's registry stay far below; a document that reaches all
 * bounds takes some 400 MB for a moment.
 */
export const DOCUMENT_BOUNDS: JsonBounds = {
  bytes: 32 * 1024 * 1024,
  values: 1_500_000,
  depth: 32,
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d]

/** The bound that a text goes beyond; undefined: none. */
export function exceededBound(text: Uint8Array, bounds: JsonBounds): string | undefined {
  if (text.byteLength > bounds.bytes) return `more than ${bounds.bytes} bytes`
  let values = 0
  let depth = 0
  let isInText = false
  for (let at = 0; at < text.byteLength; at += 1) {
    const byte = text[at]
    if (isInText) {
      if (byte === BACKSLASH) at += 1
      else if (byte === QUOTE) isInText = false
    } else if (byte === QUOTE) isInText = true
    else if (byte === COMMA) values += 1
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      values += 1
      depth += 1
      if (depth > bounds.depth) return `more than ${bounds.depth} levels`
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth -= 1
    if (values > bounds.values) return `more than ${bounds.values} values`
  }
  return undefined
}
