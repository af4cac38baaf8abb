/**
 * Which chunks of an artifact are present. Encoded as ceil(n/8) bytes, first chunk in the highest bit of the first byte,
 * spare bits zero (anything else is refused). Pure. docs/protocol.md, section Bitfield.
 */
import { MalformedError } from './malformed.ts'

export class Bitfield {
  readonly length: number
  readonly #bits: Uint8Array
  #count = 0

  /** All absent. */
  constructor(length: number) {
    if (!Number.isInteger(length) || length < 0) throw new RangeError(`bitfield of ${length} bits`)
    this.length = length
    this.#bits = new Uint8Array(Math.ceil(length / 8))
  }

  /** @throws MalformedError unless `bytes` encode exactly `length` bits */
  static decode(bytes: Uint8Array, length: number): Bitfield {
    const field = new Bitfield(length)
    if (bytes.byteLength !== field.#bits.byteLength) {
      throw malformed(`${bytes.byteLength} bytes for ${length} chunks`)
    }
    field.#bits.set(bytes)
    for (let index = length; index < bytes.byteLength * 8; index += 1) {
      if (field.#test(index)) throw malformed('a spare bit is set')
    }
    for (let index = 0; index < length; index += 1) {
      if (field.#test(index)) field.#count += 1
    }
    return field
  }

  /** Present chunks. */
  get count(): number {
    return this.#count
  }

  get complete(): boolean {
    return this.#count === this.length
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && this.#test(index)
  }

  /** Returns false when it was there already. */
  add(index: number): boolean {
    this.#check(index)
    if (this.#test(index)) return false
    this.#bits[index >>> 3] = (this.#bits[index >>> 3] ?? 0) | (0x80 >>> (index & 7))
    this.#count += 1
    return true
  }

  /** Returns false when it was not there. */
  remove(index: number): boolean {
    this.#check(index)
    if (!this.#test(index)) return false
    this.#bits[index >>> 3] = (this.#bits[index >>> 3] ?? 0) & ~(0x80 >>> (index & 7))
    this.#count -= 1
    return true
  }

  /** Present chunks, ascending. */
  *present(): Generator<number> {
    for (let index = 0; index < this.length; index += 1) if (this.#test(index)) yield index
  }

  encode(): Uint8Array {
    return this.#bits.slice()
  }

  #test(index: number): boolean {
    return ((this.#bits[index >>> 3] ?? 0) & (0x80 >>> (index & 7))) !== 0
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`chunk ${index} of ${this.length}`)
    }
  }
}

function malformed(what: string): MalformedError {
  return new MalformedError(`malformed bitfield: ${what}`)
}
