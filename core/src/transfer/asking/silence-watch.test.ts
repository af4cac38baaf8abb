import { expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { createSilenceWatch, SILENCE_MS } from './silence-watch.ts'

function world() {
  const clock = createFakeClock()
  const state = { owes: true, bytes: 0, silent: 0 }
  const watch = createSilenceWatch({
    clock,
    owesAnswers: () => state.owes,
    receivedBytes: () => state.bytes,
    onSilent: () => state.silent++,
  })
  return { clock, state, watch }
}

test('silence is told once, and a byte begins it anew', async () => {
  const { clock, state, watch } = world()
  watch.begin()
  for (let times = 0; times < 5; times++) {
    await clock.advance(SILENCE_MS - 1_000)
    state.bytes++
    watch.begin() // more is asked for: that is no answer, and no new beginning either
  }
  expect(state.silent).toBe(0)
  await clock.advance(SILENCE_MS + 1_000)
  expect(state.silent).toBe(1)
  await clock.advance(60_000)
  expect(state.silent).toBe(1)
  expect(clock.sleepers).toBe(0)
})

test('who owes nothing is not silent, and is not watched', async () => {
  const { clock, state, watch } = world()
  watch.begin()
  await clock.advance(SILENCE_MS - 1_000)
  state.owes = false
  await clock.advance(2_000)
  expect(clock.sleepers).toBe(0)
  state.owes = true
  watch.begin()
  await clock.advance(SILENCE_MS - 1_000)
  expect(state.silent).toBe(0)
  await clock.advance(1_000)
  expect(state.silent).toBe(1)
})

test('a machine that slept has not listened', () => {
  const state = { nowMs: 0, silent: 0, look: (): void => undefined }
  const watch = createSilenceWatch({
    clock: {
      ...createFakeClock(),
      now: () => state.nowMs,
      after: (_, action) => {
        state.look = action
        return () => undefined
      },
    },
    owesAnswers: () => true,
    receivedBytes: () => 0,
    onSilent: () => state.silent++,
  })
  watch.begin()
  state.nowMs = 3600_000
  state.look()
  expect(state.silent).toBe(0)
})

test('stopped: nothing is left', async () => {
  const { clock, state, watch } = world()
  watch.begin()
  watch.stop()
  await clock.advance(60_000)
  expect(state.silent).toBe(0)
  expect(clock.sleepers).toBe(0)
})
