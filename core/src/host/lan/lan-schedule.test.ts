import { expect, test } from 'vitest'
import { LanSchedule } from './lan-schedule.ts'

const HOUR_MS = 3_600_000

/** When it asks within the hour after its start. */
function queries(isLonely: (atMs: number) => boolean): number[] {
  const schedule = new LanSchedule(Math.random)
  const times: number[] = []
  for (let atMs = schedule.nextPauseMs(); atMs < HOUR_MS; atMs += schedule.nextPauseMs()) {
    if (schedule.isDue(isLonely(atMs))) times.push(atMs)
  }
  return times
}

test('it asks five times in the first ten seconds, whoever is there', () => {
  expect(queries(() => false).filter((atMs) => atMs < 10_000 * 0.75)).toHaveLength(4)
  expect(queries(() => false).filter((atMs) => atMs <= 8_000)).toHaveLength(5)
})

test('alone it goes on every ten seconds; with peers ever more seldom, some 15 times an hour', () => {
  expect(queries(() => true).length).toBeGreaterThan(250)
  const seldom = queries(() => false)
  expect(seldom.length).toBeLessThan(30)
  expect(seldom.at(-1)).toBeGreaterThan(HOUR_MS - 450_000)
})

test('who loses its peers asks often again', () => {
  const late = queries((atMs) => atMs > HOUR_MS / 2).filter((atMs) => atMs > HOUR_MS / 2)
  expect(late.length).toBeGreaterThan(120)
})
