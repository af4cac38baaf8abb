import { describe, expect, test } from 'vitest'
import { digestOf } from '../content/digest.ts'
import { describeBytes } from '../content/manifest.ts'
import { decodeManifest, encodeManifest } from './manifest-codec.ts'

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

  test('out of its bounds is not encoded', () => {
    expect(() => encodeManifest({ ...manifest, size: -1 })).toThrow(RangeError)
    expect(() => encodeManifest({ ...manifest, root: new Uint8Array(31) })).toThrow(RangeError)
  })
})
