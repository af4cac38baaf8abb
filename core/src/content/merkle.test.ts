import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hashLeaf, hashLeaves, leafAt, matchesLeaf, merkleProof, merkleRoot } from './merkle.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('the Merkle tree', () => {
  // Certificate Transparency's own vectors (RFC 6962 test data): leaves d0..d7 and the root after each.
  const leaves = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ].map((text) => hashLeaf(Buffer.from(text, 'hex')))
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]

  test.for(roots.map((root, index) => [index + 1, root] as const))(
    'of %i leaves is the known one',
    ([count, root]) => {
      expect(hex(merkleRoot(Buffer.concat(leaves.slice(0, count))))).toBe(root)
    },
  )

  test('of nothing is the leaf of an empty chunk', () => {
    const expected = createHash('sha256').update(Buffer.alloc(1)).digest('hex')
    expect(hex(merkleRoot(hashLeaves(new Uint8Array(), 65_536)))).toBe(expected)
  })

  test('refuses what are no leaves', () => {
    for (const length of [0, 31, 33]) {
      expect(() => merkleRoot(Buffer.alloc(length))).toThrow(RangeError)
    }
    expect(() => leafAt(Buffer.alloc(64), 2)).toThrow(RangeError)
    expect(() => leafAt(Buffer.alloc(64), -1)).toThrow(RangeError)
    expect(() => merkleProof(Buffer.alloc(64), 2)).toThrow(RangeError)
  })

  test('tells whose chunk it is', () => {
    const bytes = Buffer.alloc(65_537, 'x')
    const all = hashLeaves(bytes, 65_536)
    expect(matchesLeaf(bytes.subarray(0, 65_536), all, 0)).toBe(true)
    expect(matchesLeaf(bytes.subarray(65_536), all, 1)).toBe(true)
    expect(matchesLeaf(bytes.subarray(65_536), all, 0)).toBe(false)
  })
})
