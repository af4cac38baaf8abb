/**
 * The Merkle tree over an artifact's chunks: SHA-256, with leaves and nodes in domains of their own (prefix 0x00 and
 * 0x01), so that no node can pass for a chunk. Neighbours are paired from the left; a node without a neighbour is
 * promoted to the next level unchanged (the shape of RFC 6962). One leaf is its own root; the empty artifact is one
 * empty chunk. Leaves travel concatenated, 32 bytes each. Proofs are not used yet: publishing will. Pure.
 * docs/protocol.md, section Manifest.
 */
import { createHash, hash } from 'node:crypto'
import { chunkCount, chunkRange } from './chunking.ts'

/** Bytes of a SHA-256: a leaf, a node, a root. */
export const HASH_BYTES = 32

const LEAF_PREFIX = Uint8Array.of(0x00)
const NODE_PREFIX = 0x01

/** The leaf of one chunk. */
export function hashLeaf(chunk: Uint8Array): Buffer {
  // Two updates, not the one-shot call: that would need prefix and chunk (1 MiB) copied together first.
  return createHash('sha256').update(LEAF_PREFIX).update(chunk).digest()
}

/** All leaves of bytes at hand, concatenated. */
export function hashLeaves(bytes: Uint8Array, chunkSize: number): Buffer {
  const geometry = { size: bytes.byteLength, chunkSize }
  const count = chunkCount(geometry.size, chunkSize)
  const leaves = Buffer.alloc(count * HASH_BYTES)
  for (let index = 0; index < count; index += 1) {
    const { start, end } = chunkRange(geometry, index)
    leaves.set(hashLeaf(bytes.subarray(start, end)), index * HASH_BYTES)
  }
  return leaves
}

/**
 * The leaf of chunk `index`, as a view.
 * @throws RangeError when there is none
 */
export function leafAt(leaves: Uint8Array, index: number): Uint8Array {
  const count = leafCount(leaves)
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`leaf ${index} of ${count}`)
  }
  return leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
}

/** True when the leaf of chunk `index` is `leaf`; of no leaves none is. */
export function hasLeaf(leaves: Uint8Array | undefined, index: number, leaf: Uint8Array): boolean {
  return leaves !== undefined && Buffer.compare(leafAt(leaves, index), leaf) === 0
}

/** True when `chunk` is what the leaf of chunk `index` says. */
export function matchesLeaf(chunk: Uint8Array, leaves: Uint8Array, index: number): boolean {
  return hashLeaf(chunk).equals(leafAt(leaves, index))
}

/** @throws RangeError unless `leaves` are one or more whole hashes */
export function merkleRoot(leaves: Uint8Array): Buffer {
  let count = leafCount(leaves)
  const level = Buffer.from(leaves)
  while (count > 1) count = hashLevel(level, count)
  return Buffer.from(level.subarray(0, HASH_BYTES))
}

/**
 * The siblings on the way from leaf `index` up to the root, concatenated, lowest first. A level where the node is promoted
 * contributes nothing: the index and the number of leaves say on which levels and on which side siblings stand.
 */
export function merkleProof(leaves: Uint8Array, index: number): Buffer {
  leafAt(leaves, index)
  let count = leafCount(leaves)
  let at = index
  const level = Buffer.from(leaves)
  const siblings: Buffer[] = []
  while (count > 1) {
    const sibling = at ^ 1
    if (sibling < count) {
      siblings.push(Buffer.from(level.subarray(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES)))
    }
    count = hashLevel(level, count)
    at >>>= 1
  }
  return Buffer.concat(siblings)
}

/** A leaf's claim to stand at `index` of `count` under `root`. */
export interface MerkleClaim {
  readonly root: Uint8Array
  readonly leaf: Uint8Array
  readonly index: number
  readonly count: number
  readonly proof: Uint8Array
}

/** False for anything that is not a proof of exactly that claim; never throws on hostile input. */
export function verifyMerkleProof(claim: MerkleClaim): boolean {
  const { root, leaf, index, proof } = claim
  if (root.byteLength !== HASH_BYTES || leaf.byteLength !== HASH_BYTES) return false
  if (!Number.isInteger(index) || !Number.isInteger(claim.count)) return false
  if (index < 0 || index >= claim.count || claim.count > 2 ** 31) return false
  let node: Buffer = Buffer.from(leaf)
  let offset = 0
  for (let at = index, count = claim.count; count > 1; at >>>= 1, count = (count + 1) >>> 1) {
    if ((at ^ 1) >= count) continue
    if (proof.byteLength - offset < HASH_BYTES) return false
    const sibling = proof.subarray(offset, offset + HASH_BYTES)
    offset += HASH_BYTES
    node = at % 2 === 0 ? hashNode(node, sibling) : hashNode(sibling, node)
  }
  return offset === proof.byteLength && node.equals(root)
}

// Synchronous code, so one scratch buffer serves all.
const scratch = Buffer.alloc(1 + 2 * HASH_BYTES)
scratch[0] = NODE_PREFIX

function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  scratch.set(left, 1)
  scratch.set(right, 1 + HASH_BYTES)
  return hash('sha256', scratch, 'buffer')
}

// Writes the parents of `count` nodes over the front of `level`: a parent never lies behind its children.
function hashLevel(level: Buffer, count: number): number {
  for (let index = 0; index + 1 < count; index += 2) {
    const left = level.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES)
    const right = level.subarray((index + 1) * HASH_BYTES, (index + 2) * HASH_BYTES)
    level.set(hashNode(left, right), (index >>> 1) * HASH_BYTES)
  }
  const parents = (count + 1) >>> 1
  if (count % 2 === 1) {
    level.copy(level, (parents - 1) * HASH_BYTES, (count - 1) * HASH_BYTES, count * HASH_BYTES)
  }
  return parents
}

function leafCount(leaves: Uint8Array): number {
  if (leaves.byteLength === 0 || leaves.byteLength % HASH_BYTES !== 0) {
    throw new RangeError(`leaves are 32 bytes each, got ${leaves.byteLength} bytes`)
  }
  return leaves.byteLength / HASH_BYTES
}
