import { describe, expect, test } from 'vitest'
import {
  chunkCount,
  chunkLength,
  chunkRange,
  chunkSizeFor,
  isChunkSize,
  MAX_ARTIFACT_SIZE,
  MAX_CHUNK_SIZE,
  MAX_SMALL_CHUNKS,
  MIN_CHUNK_SIZE,
} from './chunking.ts'

const KiB = 1024

describe('chunks', () => {
  test.for([
    [0, [[0, 0]]],
    [1, [[0, 1]]],
    [64 * KiB, [[0, 64 * KiB]]],
    [
      64 * KiB + 1,
      [
        [0, 64 * KiB],
        [64 * KiB, 64 * KiB + 1],
      ],
    ],
  ] as const)('of %i bytes lie end to end', ([size, ranges]) => {
    const geometry = { size, chunkSize: 64 * KiB }
    expect(chunkCount(size, geometry.chunkSize)).toBe(ranges.length)
    for (const [index, [start, end]] of ranges.entries()) {
      expect(chunkRange(geometry, index)).toEqual({ start, end })
      expect(chunkLength(geometry, index)).toBe(end - start)
    }
    for (const index of [-1, ranges.length, 0.5, Number.NaN]) {
      expect(() => chunkRange(geometry, index)).toThrow(RangeError)
    }
  })

  test('have sizes that are powers of two within bounds', () => {
    const sizes = [64, 128, 256, 512, 1024, 2048, 4096].map((size) => size * KiB)
    expect(sizes.filter(isChunkSize)).toEqual(sizes)
    for (const size of [
      0,
      -65_536,
      32 * KiB,
      96 * KiB,
      8192 * KiB,
      65_536.5,
      Number.NaN,
      2 ** 40,
    ]) {
      expect(isChunkSize(size)).toBe(false)
    }
  })

  test('grow only when there would be too many', () => {
    expect(chunkSizeFor(0, MIN_CHUNK_SIZE)).toBe(MIN_CHUNK_SIZE)
    const most = MAX_SMALL_CHUNKS * MIN_CHUNK_SIZE
    expect(chunkSizeFor(most, MIN_CHUNK_SIZE)).toBe(MIN_CHUNK_SIZE)
    expect(chunkSizeFor(most + 1, MIN_CHUNK_SIZE)).toBe(2 * MIN_CHUNK_SIZE)
    expect(chunkSizeFor(MAX_ARTIFACT_SIZE, MIN_CHUNK_SIZE)).toBe(MAX_CHUNK_SIZE)
    expect(() => chunkSizeFor(MAX_ARTIFACT_SIZE + 1, MIN_CHUNK_SIZE)).toThrow(RangeError)
    expect(() => chunkSizeFor(-1, MIN_CHUNK_SIZE)).toThrow(RangeError)
    expect(() => chunkSizeFor(1, 1000)).toThrow(RangeError)
  })
})
