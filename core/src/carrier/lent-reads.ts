/**
 * What a connection that we dial receives, in one small buffer that is used again and again: a buffer for each record of 16 KiB is
 * memory to map, an event and work for the collector, 64 times a MB. Bytes are lent to whoever takes them. Until somebody does, which
 * is in the same turn in which the handshake ends, it keeps copies and has the connection read no more than it has already.
 */

/** The longest plaintext of a TLS record (RFC 8446, section 5.1). */
const READ_BYTES = 16 * 1024

export class LentReads {
  /** For `tls.connect`: where it returns false, the socket reads no more until `resume`. */
  readonly onread: { buffer: Uint8Array; callback: (bytes: number, buffer: Uint8Array) => boolean }
  #early: Uint8Array[] = []
  #take: ((bytes: Uint8Array) => void) | undefined

  constructor() {
    const onRead = (bytes: number, buffer: Uint8Array): boolean => {
      const read = buffer.subarray(0, bytes)
      if (this.#take === undefined) this.#early.push(Uint8Array.from(read))
      else this.#take(read)
      return this.#take !== undefined
    }
    this.onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: onRead }
  }

  /** What has come, and all that comes, each read before `take` returns. The socket is to be resumed after it. */
  to(take: (bytes: Uint8Array) => void): void {
    this.#take = take
    for (const read of this.#early) take(read)
    this.#early = []
  }
}
