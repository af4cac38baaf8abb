/** The Merkle tree against a recursive definition of the same shape, its proofs, and what liars might send. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkCount, chunkRange } from '../../core/src/content/chunking.ts'
import {
  HASH_BYTES,
  hashLeaf,
  hashLeaves,
  leafAt,
  merkleProof,
  merkleRoot,
  verifyMerkleProof,
} from '../../core/src/content/merkle.ts'

const sha256 = (...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** RFC 6962, section 2.1: split at the largest power of two below the number of leaves. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (leaves.length === 1 && only) return only
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(
    Uint8Array.of(1),
    rootByDefinition(leaves.slice(0, split)),
    rootByDefinition(leaves.slice(split)),
  )
}

const leaf = fc.uint8Array({ minLength: HASH_BYTES, maxLength: HASH_BYTES })
const leaves = fc.array(leaf, { minLength: 1, maxLength: 70 })
const tree = leaves.chain((list) =>
  fc.record({ list: fc.constant(list), index: fc.nat(list.length - 1) }),
)

describe('the Merkle tree', () => {
  test('is that of RFC 6962', () => {
    fc.assert(
      fc.property(leaves, (list) => {
        expect(merkleRoot(Buffer.concat(list)).equals(rootByDefinition(list))).toBe(true)
      }),
    )
  })

  test('leaves its input as it was', () => {
    fc.assert(
      fc.property(tree, ({ list, index }) => {
        const bytes = Buffer.concat(list)
        merkleRoot(bytes)
        merkleProof(bytes, index)
        expect(bytes.equals(Buffer.concat(list))).toBe(true)
      }),
    )
  })

  test('has a leaf a chunk, each the hash of its bytes behind a zero', () => {
    const chunkSize = 64 * 1024
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 * chunkSize }), (size) => {
        const bytes = Buffer.alloc(size, 'chunk')
        const all = hashLeaves(bytes, chunkSize)
        expect(all.byteLength).toBe(chunkCount(size, chunkSize) * HASH_BYTES)
        for (let index = 0; index < chunkCount(size, chunkSize); index += 1) {
          const { start, end } = chunkRange({ size, chunkSize }, index)
          const expected = sha256(Uint8Array.of(0), bytes.subarray(start, end))
          expect(expected.equals(leafAt(all, index))).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })

  test('never takes a node for a leaf', () => {
    fc.assert(
      fc.property(leaf, leaf, (left, right) => {
        const parent = merkleRoot(Buffer.concat([left, right]))
        expect(hashLeaf(Buffer.concat([left, right])).equals(parent)).toBe(false)
      }),
    )
  })
})

describe('a Merkle proof', () => {
  test('convinces for its own leaf', () => {
    fc.assert(
      fc.property(tree, ({ list, index }) => {
        const bytes = Buffer.concat(list)
        const claim = { root: merkleRoot(bytes), leaf: leafAt(bytes, index), index }
        const proof = merkleProof(bytes, index)
        expect(proof.byteLength).toBeLessThanOrEqual(Math.ceil(Math.log2(list.length)) * HASH_BYTES)
        expect(verifyMerkleProof({ ...claim, count: list.length, proof })).toBe(true)
      }),
    )
  })

  test('convinces for nothing else', () => {
    const lie = fc.record({ byte: fc.nat(1 << 20), bit: fc.nat(7) })
    const what = fc.constantFrom('leaf', 'root', 'proof', 'longer', 'shorter', 'index')
    fc.assert(
      fc.property(tree, lie, what, ({ list, index }, { byte, bit }, lied) => {
        const bytes = Buffer.concat(list)
        const proof = merkleProof(bytes, index)
        const claim = {
          root: merkleRoot(bytes),
          leaf: Buffer.from(leafAt(bytes, index)),
          index,
          count: list.length,
          proof,
        }
        const flip = (target: Buffer): void => {
          const at = byte % target.byteLength
          target[at] = (target[at] ?? 0) ^ (1 << bit)
        }
        if (lied === 'leaf' || lied === 'root') flip(claim[lied])
        if (lied === 'longer') claim.proof = Buffer.concat([proof, Buffer.alloc(HASH_BYTES)])
        if (['proof', 'shorter'].includes(lied)) {
          fc.pre(proof.byteLength > 0)
          if (lied === 'proof') flip(claim.proof)
          else claim.proof = proof.subarray(HASH_BYTES)
        }
        if (lied === 'index') {
          const other = (index + 1 + (byte % list.length)) % list.length
          // An equal leaf elsewhere is no lie.
          fc.pre(!Buffer.from(leafAt(bytes, other)).equals(claim.leaf))
          claim.index = other
        }
        expect(verifyMerkleProof(claim)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('of junk is refused without an exception', () => {
    const junk = fc.uint8Array({ maxLength: 200 })
    const number = fc.oneof(fc.integer(), fc.double(), fc.constant(2 ** 40))
    fc.assert(
      fc.property(junk, junk, junk, number, number, (root, found, proof, index, count) => {
        fc.pre(!Buffer.from(root).equals(found))
        expect(verifyMerkleProof({ root, leaf: found, proof, index, count })).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
