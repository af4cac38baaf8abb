import { describe, expect, it } from 'vitest'
import { digestFromBytes } from './digest.ts'
import { digestPrefix, NAME_PREFIXES_FROM, namePrefix } from './inventory-prefix.ts'
import { nameKeyFromBytes, nameKeyOf, nameKeyToBytes } from './name-key.ts'

describe('inventory prefixes', () => {
  it('are 31 bits: digests in the lower half, names in the upper', () => {
    const highest = digestFromBytes(Buffer.alloc(64, 0xff))
    const lowest = nameKeyFromBytes(Buffer.alloc(32))
    expect(digestPrefix(highest)).toBe(NAME_PREFIXES_FROM - 1)
    expect(namePrefix(lowest)).toBe(NAME_PREFIXES_FROM)
    expect(namePrefix(nameKeyFromBytes(Buffer.alloc(32, 0xff)))).toBe(0xffff_ffff)
    expect(digestPrefix(digestFromBytes(Buffer.from('02000002'.padEnd(128, '0'), 'hex')))).toBe(
      0x01000001,
    )
  })
})

describe('name keys', () => {
  const version = { registry: 'http://registry.example/', name: '@a/b', version: '1.0.0' }

  it('are SHA-256 over registry, name and version with a zero byte between them', () => {
    // printf 'catalog-p2p name 1\0http://registry.example/\0@a/b\0001.0.0' | sha256sum
    expect(nameKeyOf(version)).toBe(
      'f5b2cff3c0a3f0bc722c45c1a1046d1b42234861e9257f950195f246e7bbd2b4',
    )
    expect(nameKeyFromBytes(nameKeyToBytes(nameKeyOf(version)))).toBe(nameKeyOf(version))
  })

  it('differ when a character moves from one part to the next', () => {
    expect(nameKeyOf({ ...version, name: '@a/b1', version: '.0.0' })).not.toBe(nameKeyOf(version))
  })

  it('have 32 bytes', () => {
    expect(() => nameKeyFromBytes(Buffer.alloc(31))).toThrow(RangeError)
  })
})
