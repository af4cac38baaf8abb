import { describe, expect, test } from 'vitest'
import { createRequestWindow } from './request-window.ts'

const KiB = 1024
const MiB = 1024 * KiB

describe('createRequestWindow', () => {
  const pace = () => createRequestWindow({ chunkSize: MiB, maxBytes: 8 * MiB })

  test('a few chunks until something has arrived', () => {
    const paces = pace()
    expect(paces.chunks('a')).toBe(2)
    paces.sent('a', 0)
    expect(paces.chunks('a')).toBe(2)
  })

  test.each([
    ['150 MB/s', 150 * MiB, 8],
    ['4 MB/s', 4 * MiB, 4],
    ['1 MB/s', MiB, 1],
    ['100 kB/s', 100 * KiB, 1],
  ])('about a second ahead at %s', (_, bytesPerSecond, chunks) => {
    const paces = pace()
    paces.sent('a', 1000)
    for (let second = 1; second <= 10; second++) {
      paces.sent('a', 1000 + second * 1000)
      paces.ended('a', bytesPerSecond, 1000 + second * 1000)
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
    paces.ended('a', MiB, 5)
    expect(paces.chunks('a')).toBe(8)
  })

  test('when what a peer owes will come: at its pace, as long as it keeps it', () => {
    const paces = pace()
    paces.sent('a', 0)
    paces.sent('a', 0)
    paces.sent('a', 0)
    paces.ended('a', MiB, 200)
    expect(paces.expectedMs('a', 1, 200)).toBe(200)
    expect(paces.expectedMs('a', 2, 300)).toBe(300)
    // One that is a second late may stay away for as long again.
    expect(paces.expectedMs('a', 1, 1_400)).toBe(1_000)
    expect(paces.expectedMs('a', 2, 1_400)).toBe(1_200)
  })

  test('what was cancelled says nothing of a pace, unless nothing else is owed', () => {
    const paces = pace()
    paces.sent('a', 0)
    paces.sent('a', 0)
    paces.ended('a', MiB, 200)
    paces.ended('a', 0, 400)
    expect(paces.expectedMs('a', 1, 400)).toBe(400)
    expect(paces.expectedMs('silent', 1, 0)).toBe(250)
    paces.sent('silent', 0)
    paces.ended('silent', 0, 3_000)
    expect(paces.expectedMs('silent', 1, 9_000)).toBe(3_000)
  })

  test('a pause in which nothing was asked for is not held against it', () => {
    const paces = pace()
    paces.sent('a', 0)
    paces.ended('a', MiB, 100)
    paces.sent('a', 60_000)
    paces.ended('a', MiB, 60_100)
    expect(paces.expectedMs('a', 1, 70_000)).toBe(100)
  })
})
