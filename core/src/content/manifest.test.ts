import { describe, expect, test } from 'vitest'
import { digestOf } from './digest.ts'
import { decodeManifest, describeBytes, encodeManifest, validateManifest } from './manifest.ts'

const bytes = Buffer.from('a tarball, say')
const { manifest } = describeBytes(digestOf(bytes), bytes, 1024 * 1024)

describe('a manifest', () => {
  test('has this binary form, on the wire for good', () => {
    expect(Buffer.from(encodeManifest(manifest)).toString('hex')).toBe(
      [
        Buffer.from(manifest.digest.slice(7), 'base64').toString('hex'),
        '000000000000000e',
        '00100000',
        Buffer.from(manifest.root).toString('hex'),
      ].join(''),
    )
  })

  test('is copied out of what was read', () => {
    const encoded = Buffer.from(encodeManifest(manifest))
    const decoded = decodeManifest(encoded)
    encoded.fill(0)
    expect(decoded.root).toEqual(Uint8Array.from(manifest.root))
  })

  test.for([
    ['size', { size: -1 }],
    ['size', { size: 1.5 }],
    ['size', { size: 2 ** 53 }],
    ['chunk size', { chunkSize: 65_535 }],
    ['chunk size', { chunkSize: 8 * 1024 * 1024 }],
    ['chunks', { chunkSize: 65_536, size: 65_536 * 65_536 + 1 }],
    ['root', { root: new Uint8Array(31) }],
    ['digest', { digest: 'sha512-short' as typeof manifest.digest }],
  ] as const)('with a bad %s is refused: %j', ([what, change]) => {
    const bad = { ...manifest, ...change }
    const expected = { code: 'PEER_MISBEHAVED', message: expect.stringContaining(what) as string }
    expect(() => validateManifest(bad)).toThrow(expect.objectContaining(expected))
    expect(() => encodeManifest(bad)).toThrow(RangeError)
  })

  test('of more than the caller takes is refused', () => {
    validateManifest(manifest, { maxBytes: 14 })
    expect(() => validateManifest(manifest, { maxBytes: 13 })).toThrow('at most 13')
  })
})
