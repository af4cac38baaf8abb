import { expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { WriteDelay } from './write-delay.ts'

function world() {
  const clock = createFakeClock()
  const state = { isUrgent: false, isOver: false }
  const pause = new WriteDelay(clock, () => state.isUrgent)
  pause.onQueued()
  const over = pause.untilElapsed().then(() => (state.isOver = true))
  return { clock, state, pause, over }
}

test('writing begins at the first rest', async () => {
  const { clock, state, pause } = world()
  await clock.advance(400)
  pause.onQueued()
  await clock.advance(499)
  expect(state.isOver).toBe(false)
  await clock.advance(1)
  expect(state.isOver).toBe(true)
})

test('a download that goes on is no rest, for a while', async () => {
  const { clock, state, pause } = world()
  for (let ms = 0; ms < 4_800; ms += 200) {
    pause.onActivity()
    await clock.advance(200)
  }
  expect(state.isOver).toBe(false)
  for (let ms = 0; ms < 400; ms += 200) {
    pause.onActivity()
    await clock.advance(200)
  }
  expect(state.isOver).toBe(true)
})

test('whoever waits for the disk, and a large backlog, end it', async () => {
  const hurried = world()
  await hurried.pause.runUrgently(() => hurried.over.then(() => undefined))
  expect(hurried.state.isOver).toBe(true)
  const urgent = world()
  urgent.state.isUrgent = true
  urgent.pause.onQueued()
  await urgent.over
  expect(urgent.state.isOver).toBe(true)
})
