import { describe, expect, test } from 'vitest'
import { createRequestWindow } from './request-window.ts'

const KiB = 1024
const MiB = 1024 * KiB

describe('createRequestWindow', () => {
  const pace = () => createRequestWindow({ chunkSize: MiB, maxBytes: 8 * MiB })

  test('a few chunks until something has arrived', () => {
    const paces = pace()
    expect(paces.chunks('a')).toBe(4)
    paces.sent('a', 0)
    expect(paces.chunks('a')).toBe(4)
  })

  test.each([
    ['150 MB/s', 150 * MiB, 8],
    ['4 MB/s', 4 * MiB, 5],
    ['1 MB/s', MiB, 2],
    ['100 kB/s', 100 * KiB, 2],
  ])('about a second ahead at %s', (_, bytesPerSecond, chunks) => {
    const paces = pace()
    paces.sent('a', 1000)
    for (let second = 1; second <= 10; second++) {
      paces.arrived('a', bytesPerSecond, 1000 + second * 1000)
    }
    expect(paces.chunks('a')).toBe(chunks)
  })

  test('never fewer than two, however large the chunks', () => {
    const paces = createRequestWindow({ chunkSize: 8 * MiB, maxBytes: 8 * MiB })
    expect(paces.chunks('a')).toBe(2)
  })

  test('an instant answer is no division by zero', () => {
    const paces = pace()
    paces.sent('a', 5)
    paces.arrived('a', MiB, 5)
    expect(paces.chunks('a')).toBe(8)
  })
})
