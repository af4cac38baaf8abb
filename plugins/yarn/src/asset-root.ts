/**
 * Whether bytes have the Merkle root that an Asset ID says: SHA-256 over chunks, with leaves and nodes in domains of their own
 * (docs/protocol.md, section Manifest). The Asset ID does not say how large the chunks are, so each size that there is is tried;
 * no two archives have one root, whatever their chunks. Pure.
 */
import { createHash } from 'node:crypto'

const KIB = 1024
/** Bytes, the usual one first. */
const CHUNK_SIZES = [1024, 64, 128, 256, 512, 2048, 4096].map((size) => size * KIB)
const LEAF = Uint8Array.of(0x00)
const NODE = Uint8Array.of(0x01)

/** @param root hex, in lower case */
export function hasRoot(bytes: Uint8Array, root: string): boolean {
  // Of one chunk it is the same whatever its size.
  const sizes = CHUNK_SIZES.filter((size) => size < bytes.byteLength)
  return [...sizes, Infinity].some((size) => rootOf(bytes, size) === root)
}

function rootOf(bytes: Uint8Array, chunkSize: number): string {
  let level: Buffer[] = []
  for (let start = 0; start === 0 || start < bytes.byteLength; start += chunkSize) {
    level.push(sha256(LEAF, bytes.subarray(start, start + chunkSize)))
  }
  while (level.length > 1) level = parentsOf(level)
  return level[0]?.toString('hex') ?? ''
}

/** Paired from the left; one without a neighbour goes up as it is. */
function parentsOf(level: readonly Buffer[]): Buffer[] {
  const parents: Buffer[] = []
  for (let index = 0; index < level.length; index += 2) {
    const [left, right] = level.slice(index, index + 2)
    if (left !== undefined) parents.push(right === undefined ? left : sha256(NODE, left, right))
  }
  return parents
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
