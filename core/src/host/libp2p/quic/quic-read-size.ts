/**
 * Two repairs of @chainsafe/libp2p-quic, made on the native stream class that its JavaScript calls:
 *
 * - It reads 4096 bytes a call, which costs a receiver 7 times the CPU of large reads. A read here takes up to 256 KiB.
 * - It takes any read error for the end of the stream, so a reset or a lost connection would look like a complete answer.
 *   The error gets another code here, and the stream is aborted instead.
 *
 * When the package no longer has the shape this expects, nothing is changed. test/protocol/quic-read-size.test.ts says when
 * to delete this file.
 */

/** What a stream waits with that has little to say: four wait on each connection, for hours. */
const MIN_READ_BYTES = 2 * 1024
/** After a read that came back full. */
const MIN_GROWN_BYTES = 16 * 1024
const MAX_READ_BYTES = 256 * 1024

/** Marks a class as repaired: hosts in one process share it. */
const REPAIRED = Symbol.for('@catalog-p2p/quic-read-size')

type Read = (this: NativeStream, maxBytes: number) => Promise<Uint8Array | null>

export interface NativeStream {
  read: Read
}

export interface NativeStreamClass {
  readonly prototype: NativeStream & { [REPAIRED]?: true }
}

/** True when the native class has been found and repaired (now or before). Never throws. */
export async function applyQuicReadSize(): Promise<boolean> {
  try {
    const entry = import.meta.resolve('@chainsafe/libp2p-quic')
    const binding: unknown = await import(new URL('napi.js', entry).href)
    const stream = (binding as { Stream?: unknown }).Stream
    return isNativeStreamClass(stream) && repairReads(stream)
  } catch {
    // No such file, or no such package any more: its own reads are slow, but they work.
    return false
  }
}

/** The size of the next read: it grows while reads come back full, and shrinks when they no longer do. */
export function nextReadSize(size: number, got: number): number {
  if (got >= size) return Math.min(Math.max(size * 4, MIN_GROWN_BYTES), MAX_READ_BYTES)
  if (got < size / 8) return Math.max(size / 4, MIN_READ_BYTES)
  return size
}

/** True when it is repaired, now or before. */
export function repairReads({ prototype }: NativeStreamClass): boolean {
  if (prototype[REPAIRED] === true) return true
  const { read } = prototype
  // Each pending read holds a buffer of its size.
  const sizes = new WeakMap<object, number>()

  // Whatever its JavaScript asks for.
  async function readMore(this: NativeStream): Promise<Uint8Array | null> {
    const size = sizes.get(this) ?? MIN_READ_BYTES
    try {
      const bytes = await read.call(this, size)
      if (bytes !== null) sizes.set(this, nextReadSize(size, bytes.byteLength))
      return bytes
    } catch (error) {
      throw Object.assign(new Error('QUIC stream failed', { cause: error }), {
        code: 'STREAM_FAILED',
      })
    }
  }

  Object.defineProperty(prototype, 'read', { value: readMore, writable: true, configurable: true })
  Object.defineProperty(prototype, REPAIRED, { value: true })
  return true
}

function isNativeStreamClass(value: unknown): value is NativeStreamClass {
  if (typeof value !== 'function') return false
  const prototype: unknown = value.prototype
  return typeof prototype === 'object' && prototype !== null && hasMethod(prototype, 'read')
}

function hasMethod(prototype: object, name: string): boolean {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
  return typeof descriptor?.value === 'function' && descriptor.configurable === true
}
