/**
 * A second opinion on Falcon-512 signatures, for tests alone: the verification of Falcon's specification (https://falcon-sign.info/falcon.pdf,
 * sections 3.7, 3.11), with SHAKE-256 of node:crypto, and products of polynomials by their definition. It shares no code with the library that signs.
 */
import { createHash } from 'node:crypto'

const [N, Q] = [512, 12_289]
const NONCE_BYTES = 40
/** Of a vector that a signer may give, squared. */
const MAX_NORM = 34_034_726
/** First byte: of compressed signatures, and of public keys, with the 9 of 2 ** 9. */
const [SIGNATURE_HEAD, KEY_HEAD] = [0x30 + 9, 9]

/** `signature`: header, nonce, compressed s2, zeros to its padded length. */
export function isFalconSignature(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature[0] !== SIGNATURE_HEAD || publicKey[0] !== KEY_HEAD) return false
  const s2 = decompress(signature.subarray(1 + NONCE_BYTES))
  if (s2 === undefined) return false
  const h = keyOf(publicKey.subarray(1))
  const c = hashToPoint(signature.subarray(1, 1 + NONCE_BYTES), message)
  const s1 = product(s2, h).map((each, at) => centered((c[at] ?? 0) - each))
  return norm(s1) + norm(s2) <= MAX_NORM
}

/** Bits, the highest of each byte first. */
function* bitsOf(bytes: Uint8Array): Generator<number> {
  for (const byte of bytes) for (let bit = 7; bit >= 0; bit -= 1) yield (byte >> bit) & 1
}

/** 512 numbers of 14 bits. */
function keyOf(bytes: Uint8Array): number[] {
  const bits = [...bitsOf(bytes)]
  return Array.from({ length: N }, (_, at) =>
    bits.slice(14 * at, 14 * at + 14).reduce((value, bit) => 2 * value + bit, 0),
  )
}

/** Each number: a sign, seven low bits, the rest in unary. undefined: another spelling. */
function decompress(bytes: Uint8Array): number[] | undefined {
  const bits = bitsOf(bytes)
  const next = (): number => bits.next().value ?? 2
  const values: number[] = []
  while (values.length < N) {
    const sign = next()
    let low = 0
    for (let at = 0; at < 7; at += 1) low = 2 * low + next()
    let high = 0
    for (let bit = next(); bit === 0; bit = next()) high += 1
    const value = 128 * high + low
    if (value > Q || (sign === 1 && value === 0)) return undefined
    values.push(sign === 1 ? -value : value)
  }
  return [...bits].every((bit) => bit === 0) ? values : undefined
}

function hashToPoint(nonce: Uint8Array, message: Uint8Array): number[] {
  const stream = createHash('shake256', { outputLength: 8 * N })
    .update(nonce)
    .update(message)
    .digest()
  const point: number[] = []
  for (let at = 0; point.length < N; at += 2) {
    const value = stream.readUInt16BE(at)
    if (value < 5 * Q) point.push(value % Q)
  }
  return point
}

/** Modulo x ** 512 + 1. */
function product(a: readonly number[], b: readonly number[]): number[] {
  const sum = new Array<number>(N).fill(0)
  for (const [i, x] of a.entries()) {
    for (const [j, y] of b.entries()) {
      const at = (i + j) % N
      sum[at] = ((sum[at] ?? 0) + (i + j < N ? x * y : -x * y)) % Q
    }
  }
  return sum
}

/** Between -Q/2 and Q/2. */
function centered(value: number): number {
  const rest = ((value % Q) + Q) % Q
  return rest > Q / 2 ? rest - Q : rest
}

const norm = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value * value, 0)
