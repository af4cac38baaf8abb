import { describe, expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { combineRateLimits, createRateLimit, unlimited } from './rate-limit.ts'

const never = new AbortController().signal
const KB = 1000

describe('createRateLimit', () => {
  test('0 is no limit', async () => {
    const limit = createRateLimit(createFakeClock(), 0)
    limit.spend(1e12)
    await limit.take(1e12, never)
    expect(limit).toBe(unlimited)
  })

  test('holds the rate on average, with a burst of a quarter of a second', async () => {
    const clock = createFakeClock()
    const limit = createRateLimit(clock, 100 * KB)
    let moved = 0
    const mover = (async () => {
      while (moved < 1000 * KB) {
        await limit.take(10 * KB, never)
        moved += 10 * KB
      }
    })()
    await clock.advance(1)
    expect(moved).toBeLessThanOrEqual((25 + 10) * KB)
    await clock.advance(4_999)
    expect(moved).toBeGreaterThanOrEqual((500 - 10) * KB)
    expect(moved).toBeLessThanOrEqual((500 + 25 + 10) * KB)
    await clock.advanceUntil(() => moved >= 1000 * KB, { maxMs: 10_000, stepMs: 100 })
    await mover
    expect(clock.sleepers).toBe(0)
  })

  test('many who wait move one after another, not all at the moment the debt is paid', async () => {
    const clock = createFakeClock()
    const limit = createRateLimit(clock, 100 * KB)
    let moved = 0
    const movers = Array.from({ length: 8 }, async () => {
      await limit.take(100 * KB, never)
      moved++
    })
    await clock.advance(0)
    expect(moved).toBe(1)
    await clock.advance(760)
    expect(moved).toBe(2)
    await clock.advance(1_000)
    expect(moved).toBe(3)
    await clock.advance(6_000)
    await Promise.all(movers)
  })

  test('what was taken and not moved is given back', async () => {
    const clock = createFakeClock()
    const limit = createRateLimit(clock, 100 * KB)
    await limit.take(1000 * KB, never)
    limit.spend(-1000 * KB)
    await limit.take(0, never)
    expect(clock.sleepers).toBe(0)
  })

  test('does not save up more than the burst', async () => {
    const clock = createFakeClock()
    const limit = createRateLimit(clock, 100 * KB)
    await clock.advance(3_600_000)
    limit.spend(25 * KB)
    let ready = false
    const waiting = limit.take(0, never).then(() => (ready = true))
    await clock.advance(0)
    expect(ready).toBe(false)
    await clock.advance(1)
    await waiting
  })

  test('a debt of months does not overflow a timer', async () => {
    const clock = createFakeClock()
    const slept: number[] = []
    const limit = createRateLimit(
      { ...clock, sleep: (ms, signal) => (slept.push(ms), clock.sleep(ms, signal)) },
      1,
    )
    limit.spend(2 ** 40)
    const stop = new AbortController()
    const waiting = limit.take(0, stop.signal)
    await clock.advance(200_000)
    expect(Math.max(...slept)).toBeLessThan(2 ** 31)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(clock.sleepers).toBe(0)
  })

  test('rejects with the reason of the signal, before and while it waits', async () => {
    const clock = createFakeClock()
    const limit = createRateLimit(clock, 1)
    limit.spend(1000)
    const stop = new AbortController()
    const reason = new Error('gone')
    const waiting = limit.take(0, stop.signal)
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(limit.take(0, stop.signal)).rejects.toBe(reason)
  })
})

describe('combineRateLimits', () => {
  test('waits for all, spends from all', async () => {
    const clock = createFakeClock()
    const wide = createRateLimit(clock, 1000 * KB)
    const narrow = createRateLimit(clock, 10 * KB)
    const both = combineRateLimits(wide, unlimited, narrow)
    both.spend(12.5 * KB)
    let ready = false
    const waiting = both.take(0, never).then(() => (ready = true))
    await clock.advance(900)
    expect(ready).toBe(false)
    await clock.advance(101)
    await waiting
    wide.spend(0)
    expect(combineRateLimits(unlimited, unlimited)).toBe(unlimited)
  })

  test('who leaves while one of them makes it wait has spent nothing', async () => {
    const clock = createFakeClock()
    const [wide, narrow] = [createRateLimit(clock, KB), createRateLimit(clock, KB)]
    narrow.spend(KB)
    const stop = new AbortController()
    const leaving = combineRateLimits(wide, narrow).take(1000 * KB, stop.signal)
    await clock.advance(1)
    stop.abort(new Error('gone'))
    await expect(leaving).rejects.toThrow('gone')
    await wide.take(0, never)
    expect(clock.sleepers).toBe(0)
  })
})
