import { describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'

describe('systemClock', () => {
  test('an aborted sleep rejects with the reason of its signal, before and meanwhile', async () => {
    const reason = new Error('stopped')
    await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason)
    const stop = new AbortController()
    const sleeping = systemClock.sleep(60_000, stop.signal)
    stop.abort(reason)
    await expect(sleeping).rejects.toBe(reason)
  })

  test('goes on when the time is over', async () => {
    const before = systemClock.now()
    await systemClock.sleep(1)
    expect(systemClock.now()).toBeGreaterThan(before)
    expect(systemClock.epochMs()).toBeGreaterThan(1_600_000_000_000)
  })
})
