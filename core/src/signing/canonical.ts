/**
 * Deterministic CBOR (RFC 8949, section 4.2.1): one value, one spelling, so that what is signed can be written anew and compared.
 * Bytes of others are bounded before they are read, and refused unless they are that one spelling: no floats, no tags, no
 * indefinite lengths, no undefined, no integers beyond 2^53 - 1. Pure.
 */
import { decode, encode, rfc8949EncodeOptions, Tokenizer, Type } from 'cborg'
import { MalformedError } from '../content/malformed.ts'

export type CanonicalValue =
  | null
  | boolean
  | string
  /** An integer between -(2^53 - 1) and 2^53 - 1. */
  | number
  | Uint8Array
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue }

/** Arrays and maps within each other. */
const MAX_DEPTH = 8
/** Items of any kind, keys of maps included. */
const MAX_ITEMS = 50_000

/** @throws TypeError for what has no canonical spelling: that is a bug of the caller */
export function encodeCanonical(value: CanonicalValue): Uint8Array {
  assertCanonical(value, 0)
  return encode(value, rfc8949EncodeOptions)
}

/**
 * @param options.maxBytes more than that is refused unread
 * @throws MalformedError unless it is one value in its canonical spelling
 */
export function decodeCanonical(bytes: Uint8Array, { maxBytes }: { maxBytes: number }): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new MalformedError(`${bytes.byteLength} bytes of CBOR, ${maxBytes} allowed`)
  }
  // Not a Buffer: its slices would be views that keep, and change with, what they were read from.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const value = decodeStrictly(view)
  // What cborg does not look at itself: the order of keys, text that is not UTF-8.
  if (Buffer.compare(encode(value, rfc8949EncodeOptions), view) !== 0) {
    throw new MalformedError('CBOR in another spelling than the canonical one')
  }
  return value
}

const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

function decodeStrictly(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, { ...STRICT, tokenizer: new BoundedTokenizer(bytes, STRICT) })
  } catch (error) {
    if (error instanceof MalformedError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new MalformedError(`not canonical CBOR: ${reason.slice(0, 200)}`)
  }
}

const LEAVES: readonly unknown[] = [
  ...[Type.uint, Type.negint, Type.bytes, Type.string, Type.true, Type.false, Type.null],
]

/** cborg reads recursively and lists as long as they say: this one ends both before they cost anything. */
class BoundedTokenizer extends Tokenizer {
  /** Items still to come of each array and map that is open. */
  readonly #open: number[] = []
  #items = 0

  override next(): ReturnType<Tokenizer['next']> {
    const token = super.next()
    if ((this.#items += 1) > MAX_ITEMS) throw new MalformedError(`over ${MAX_ITEMS} items of CBOR`)
    if (this.#open.length > 0) this.#open[this.#open.length - 1]! -= 1
    const isMap = token.type === Type.map
    if (isMap || token.type === Type.array) {
      this.#open.push(Number(token.value) * (isMap ? 2 : 1))
      if (this.#open.length > MAX_DEPTH) throw new MalformedError(`CBOR deeper than ${MAX_DEPTH}`)
    } else if (!LEAVES.includes(token.type)) {
      throw new MalformedError(`CBOR of type ${token.type.name}`)
    }
    while (this.#open.at(-1) === 0) this.#open.pop()
    return token
  }
}

function assertCanonical(value: unknown, depth: number): void {
  if (depth > MAX_DEPTH) throw new TypeError(`deeper than ${MAX_DEPTH}`)
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new TypeError('text that has no UTF-8')
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new TypeError(`${value}`)
  } else if (Array.isArray(value)) {
    for (const item of value) assertCanonical(item, depth + 1)
  } else if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [key, item] of Object.entries(value)) {
      assertCanonical(key, depth)
      assertCanonical(item, depth + 1)
    }
  } else {
    throw new TypeError(`a ${typeof value} in CBOR`)
  }
}
