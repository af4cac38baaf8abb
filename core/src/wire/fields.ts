/**
 * Fields of a message body: unsigned big-endian integers, byte strings and text with a length in front. Every read is
 * bounds-checked; a body that is too short, too long or not well-formed is PEER_MISBEHAVED.
 */
import { CatalogError } from '../errors.ts'

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function malformed(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `malformed message: ${what}`)
}

/** Reads fields in order from one message body. */
export class FieldReader {
  readonly #view: Buffer
  #offset = 0

  constructor(body: Uint8Array) {
    this.#view = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  }

  get remaining(): number {
    return this.#view.byteLength - this.#offset
  }

  u8(): number {
    return this.#view.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#view.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#view.readUInt32BE(this.#take(4))
  }

  /** At most 2^53 - 1. */
  u64(): number {
    const value = this.#view.readBigUInt64BE(this.#take(8))
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('integer above 2^53 - 1')
    return Number(value)
  }

  /** All 64 bits. */
  bigU64(): bigint {
    return this.#view.readBigUInt64BE(this.#take(8))
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length)
    return this.#view.subarray(start, start + length)
  }

  /** u16 length, then UTF-8. */
  text(maxBytes: number): string {
    const length = this.u16()
    if (length > maxBytes) throw malformed(`text of ${length} bytes, ${maxBytes} allowed`)
    const bytes = this.bytes(length)
    try {
      return UTF8.decode(bytes)
    } catch (error) {
      if (error instanceof TypeError) throw malformed('text that is not UTF-8')
      throw error
    }
  }

  /** What is left, as a view. */
  rest(): Uint8Array {
    return this.bytes(this.remaining)
  }

  end(): void {
    if (this.remaining > 0) throw malformed(`${this.remaining} bytes too many`)
  }

  #take(length: number): number {
    if (this.remaining < length) throw malformed(`${length - this.remaining} bytes too few`)
    const start = this.#offset
    this.#offset += length
    return start
  }
}

/** Builds one message body. */
export class FieldWriter {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    return this.#integer(1, (b) => b.writeUInt8(value))
  }

  u16(value: number): this {
    return this.#integer(2, (b) => b.writeUInt16BE(value))
  }

  u32(value: number): this {
    return this.#integer(4, (b) => b.writeUInt32BE(value))
  }

  u64(value: number): this {
    return this.#integer(8, (b) => b.writeBigUInt64BE(BigInt(value)))
  }

  bigU64(value: bigint): this {
    return this.#integer(8, (b) => b.writeBigUInt64BE(value))
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value)
    return this
  }

  text(value: string): this {
    const encoded = Buffer.from(value, 'utf8')
    return this.u16(encoded.byteLength).bytes(encoded)
  }

  toBytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  #integer(size: number, write: (target: Buffer) => void): this {
    const target = Buffer.allocUnsafe(size)
    write(target)
    this.#parts.push(target)
    return this
  }
}
