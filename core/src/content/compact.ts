/** Memory of bytes that are kept: a small view of a large buffer would keep all of the buffer. Pure. */

/** The bytes themselves, or a copy where they are less than half of their buffer. */
export function compact(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength <= bytes.byteLength * 2) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength)
  copy.set(bytes)
  return copy
}
