import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { timeoutSignal } from './timeout-signal.ts'

test('it aborts when its time is up on the clock, with a reason like the platform’s own', async () => {
  const clock = createFakeClock()
  const signal = timeoutSignal(clock, 1_000)

  await clock.advance(999)
  expect(signal.aborted).toBe(false)

  await clock.advance(1)
  expect(signal.aborted).toBe(true)
  expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
})

test('it leaves no timer behind when nothing depends on it any more', async () => {
  const clock = createFakeClock()
  const until = new AbortController()
  const signal = timeoutSignal(clock, 1_000, until.signal)
  expect(clock.sleepers).toBe(1)

  until.abort()

  expect(clock.sleepers).toBe(0)
  await clock.advance(2_000)
  expect(signal.aborted).toBe(false)
})
