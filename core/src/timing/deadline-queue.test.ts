import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createDeadlines } from './deadline-queue.ts'

const options = { afterMs: 60_000, precisionMs: 1_000 }

test('each is called once when it is due, and the clock is left alone when none is open', async () => {
  const clock = createFakeClock()
  const deadlines = createDeadlines(clock, options)
  const due: string[] = []
  deadlines.add(() => due.push('first'))
  await clock.advance(30_000)
  deadlines.add(() => due.push('second'))
  await clock.advance(29_999)
  expect(due).toEqual([])
  await clock.advance(1_001)
  expect(due).toEqual(['first'])
  await clock.advance(31_000)
  expect(due).toEqual(['first', 'second'])
  expect(clock.sleepers).toBe(0)
})

test('what is done in time is never called', async () => {
  const clock = createFakeClock()
  const deadlines = createDeadlines(clock, options)
  const due: string[] = []
  const done = deadlines.add(() => due.push('in time'))
  deadlines.add(() => due.push('late'))
  done()
  await clock.advance(120_000)
  expect(due).toEqual(['late'])
})
