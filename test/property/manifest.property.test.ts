/** The manifest's binary form: what goes in comes out, and nothing out of bounds comes out of anything. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chunkCount,
  MAX_ARTIFACT_SIZE,
  MAX_CHUNK_SIZE,
  MAX_CHUNKS,
  MAX_SMALL_CHUNKS,
} from '../../core/src/content/chunking.ts'
import { digestFromBytes } from '../../core/src/content/digest.ts'
import {
  describeBytes,
  equalManifests,
  isConsistent,
  type Manifest,
} from '../../core/src/content/manifest.ts'
import { isCatalogError } from '../../core/src/errors.ts'
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_BYTES,
} from '../../core/src/wire/manifest-codec.ts'
import { blob } from '../support/blobs.ts'

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const chunkSize = fc.integer({ min: 16, max: 22 }).map((power) => 2 ** power)
const manifest: fc.Arbitrary<Manifest> = chunkSize.chain((size) =>
  fc.record({
    digest: bytesOf(64).map(digestFromBytes),
    size: fc.integer({
      min: 0,
      max: size * (size === MAX_CHUNK_SIZE ? MAX_CHUNKS : MAX_SMALL_CHUNKS),
    }),
    chunkSize: fc.constant(size),
    root: bytesOf(32),
  }),
)

describe('a manifest', () => {
  test('survives its encoding', () => {
    fc.assert(
      fc.property(manifest, (made) => {
        const encoded = encodeManifest(made)
        expect(encoded.byteLength).toBe(MANIFEST_BYTES)
        expect(equalManifests(decodeManifest(encoded), made)).toBe(true)
      }),
    )
  })

  test('differs when any field does', () => {
    fc.assert(
      fc.property(manifest, manifest, (a, b) => {
        const same = Buffer.from(encodeManifest(a)).equals(encodeManifest(b))
        expect(equalManifests(a, b)).toBe(same)
      }),
    )
  })

  test('decoded from junk is within bounds or PEER_MISBEHAVED', () => {
    // Half of it is a real manifest with one byte changed, which is where the interesting junk is.
    const changed = fc
      .tuple(manifest, fc.nat(MANIFEST_BYTES - 1), fc.nat(255))
      .map(([made, at, value]) => {
        const bytes = Buffer.from(encodeManifest(made))
        bytes[at] = value
        return bytes
      })
    const junk = fc.oneof(changed, fc.uint8Array({ maxLength: 120 }), bytesOf(MANIFEST_BYTES))
    fc.assert(
      fc.property(junk, (bytes) => {
        try {
          const found = decodeManifest(bytes)
          expect(found.size).toBeLessThanOrEqual(MAX_ARTIFACT_SIZE)
          expect(chunkCount(found.size, found.chunkSize)).toBeLessThanOrEqual(MAX_CHUNKS)
          expect(found.root.byteLength).toBe(32)
          expect(Buffer.from(encodeManifest(found)).equals(bytes)).toBe(true)
        } catch (error) {
          expect(isCatalogError(error, 'PEER_MISBEHAVED')).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('of real bytes accepts its own leaves and no others', () => {
    fc.assert(
      fc.property(fc.nat(300_000), fc.nat(1 << 16), (size, at) => {
        const { digest, bytes } = blob(size)
        const { manifest: made, leaves } = describeBytes(digest, bytes, 64 * 1024)
        expect(isConsistent({ manifest: made, leaves })).toBe(true)
        const wrong = Buffer.from(leaves)
        wrong[at % wrong.length] = (wrong[at % wrong.length] ?? 0) ^ 1
        expect(isConsistent({ manifest: made, leaves: wrong })).toBe(false)
        expect(isConsistent({ manifest: made, leaves: leaves.subarray(0, -32) })).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})
