import { createCipheriv } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  compressChunk,
  decompressChunk,
  ENCODING_CODES,
  encodingOfCode,
  negotiateEncoding,
  type Encoding,
} from './compression.ts'
import { MalformedError } from './malformed.ts'

const KiB = 1024
const noise = (size: number): Buffer =>
  createCipheriv('aes-256-ctr', Buffer.alloc(32, 7), Buffer.alloc(16)).update(Buffer.alloc(size))
const text = (size: number): Buffer =>
  Buffer.alloc(size, '{"name":"left-pad","version":"1.3.0","dist":{"tarball":"…"}},')
const ENCODINGS = ['zstd', 'lz4', 'gzip'] as const

describe.for(ENCODINGS)('%s', (encoding) => {
  // On either side of the size from which the thread pool does the work.
  test.for([256, 4 * KiB, 64 * KiB, 64 * KiB + 1, 1024 * KiB])(
    'gives back %i bytes',
    async (size) => {
      const plain = text(size)
      const encoded = await compressChunk(encoding, plain)
      expect(encoded?.byteLength).toBeLessThan(size * 0.97)
      const decoded = await decompressChunk(encoding, encoded ?? new Uint8Array(), size)
      expect(plain.equals(decoded)).toBe(true)
    },
  )

  test('takes any view of bytes', async () => {
    const plain = new Uint8Array(text(9000)).subarray(500, 8500)
    const encoded = (await compressChunk(encoding, plain)) ?? new Uint8Array()
    const padded = new Uint8Array(encoded.byteLength + 20)
    padded.set(encoded, 10)
    const view = padded.subarray(10, 10 + encoded.byteLength)
    expect(Buffer.compare(await decompressChunk(encoding, view, 8000), plain)).toBe(0)
  })

  test.for([3000, 200 * KiB])('never gives more or less than %i bytes', async (size) => {
    const encoded = (await compressChunk(encoding, text(size))) ?? new Uint8Array()
    for (const [bytes, expectedBytes] of [
      [encoded, size - 1],
      [encoded, size + 1],
      [encoded, 1],
      [encoded, 0],
      [encoded.subarray(0, -3), size],
      [encoded.subarray(0, 3), size],
      [new Uint8Array(), size],
      [noise(500), size],
    ] as const) {
      await expect(decompressChunk(encoding, bytes, expectedBytes)).rejects.toThrow(MalformedError)
    }
  })

  test('leaves alone what does not shrink', async () => {
    expect(await compressChunk(encoding, noise(8 * KiB))).toBeUndefined()
    expect(await compressChunk(encoding, noise(1024 * KiB))).toBeUndefined()
    expect(await compressChunk(encoding, gzipSync(text(900 * KiB)))).toBeUndefined()
    expect(await compressChunk(encoding, text(255))).toBeUndefined()
  })
})

test('a bomb costs no more than the bytes expected', async () => {
  const zeros = Buffer.alloc(256 * 1024 * KiB)
  const before = process.memoryUsage().rss
  for (const [encoding, bomb] of [
    ['zstd', zstdCompressSync(zeros)],
    ['gzip', gzipSync(zeros)],
    ['lz4', Buffer.concat([Buffer.from([0, 0, 0, 0xf0]), Buffer.alloc(1000, 0xff)])],
  ] as const) {
    for (const expectedBytes of [1000, 100 * KiB]) {
      await expect(decompressChunk(encoding, bomb, expectedBytes)).rejects.toThrow(MalformedError)
    }
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * KiB)
})

test('none passes what has the length expected', async () => {
  expect(await compressChunk('none', text(5000))).toBeUndefined()
  const bytes = noise(10)
  expect(await decompressChunk('none', bytes, 10)).toBe(bytes)
  await expect(decompressChunk('none', bytes, 11)).rejects.toThrow(MalformedError)
})

describe('negotiation', () => {
  test.for<[readonly Encoding[], readonly Encoding[], Encoding]>([
    [['zstd', 'lz4', 'gzip'], ['gzip', 'lz4'], 'lz4'],
    [['zstd'], ['gzip'], 'none'],
    [[], ['gzip'], 'none'],
    [['gzip', 'zstd'], ['zstd', 'gzip'], 'gzip'],
  ])('of %j with %j gives %s', ([ours, theirs, expected]) => {
    expect(negotiateEncoding(ours, theirs)).toBe(expected)
  })

  test('has a number for each, for good', () => {
    expect(ENCODING_CODES).toEqual({ none: 0, zstd: 1, lz4: 2, gzip: 3 })
    expect([0, 1, 2, 3, 4, -1].map(encodingOfCode)).toEqual([
      ...['none', 'zstd', 'lz4', 'gzip'],
      ...[undefined, undefined],
    ])
  })
})
