import { describe, expect, test } from 'vitest'
import { createStallGuard, MIN_BYTES } from './stall-guard.ts'

const SILENCE_MS = 60_000

/** When a body is given up that brings so many bytes every so often; undefined: not within an hour. */
function givenUpAtMs(bytes: number, everyMs: number): number | undefined {
  const guard = createStallGuard(SILENCE_MS, 0)
  for (let nowMs = everyMs; nowMs < 3_600_000; nowMs += everyMs) {
    if (guard.record(bytes, nowMs) !== undefined) return nowMs
  }
  return undefined
}

describe('a body', () => {
  test('of a byte a second is given up once a silence would have been', () => {
    expect(givenUpAtMs(1, 1000)).toBe(SILENCE_MS)
  })

  test('that is slow but comes is waited for, up to a bound', () => {
    expect(givenUpAtMs(1024, 1000)).toBeGreaterThan(9 * SILENCE_MS)
    expect(givenUpAtMs(1024 * 1024, 1000)).toBeLessThan(11 * SILENCE_MS)
  })

  test('may begin late, and rest', () => {
    const guard = createStallGuard(SILENCE_MS, 0)
    expect(guard.record(MIN_BYTES, 59_000)).toBeUndefined()
    expect(guard.record(1, 61_000)).toBeUndefined()
    expect(guard.record(MIN_BYTES, 120_000)).toBeUndefined()
  })

  test('that was fast may not become slow', () => {
    const guard = createStallGuard(SILENCE_MS, 0)
    expect(guard.record(100 * MIN_BYTES, 60_000)).toBeUndefined()
    expect(guard.record(100, 120_000)).toContain('less than')
  })
})
