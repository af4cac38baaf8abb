import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { LOOK_MS, Lookout, Manners, type Watch } from './watch.ts'

const clock = createFakeClock()
const about = { about: 'pkg', longestMs: () => 30_000 }

/** How long it may be silent now, with looks that are late by so much. */
async function silenceOf(watch: Watch, lateByMs = 0): Promise<number> {
  const sinceMs = clock.now()
  do await clock.advance(LOOK_MS + lateByMs)
  while (watch.look() === undefined)
  return clock.now() - sinceMs
}

/** It is silent for so long, and then says something. */
async function silentFor(watch: Watch, ms: number): Promise<void> {
  for (const endMs = clock.now() + ms; clock.now() < endMs;) {
    await clock.advance(LOOK_MS)
    watch.look()
  }
  watch.heard()
}

test('one that was silent for long, and came back, may be so again; for a while, and it alone', async () => {
  const lookout = new Lookout(clock)
  const [slow, other] = [new Manners(clock), new Manners(clock)]
  const first = lookout.watch(slow, about)
  expect(await silenceOf(first)).toBe(200)
  expect(first.isBack()).toBe(false)
  await silentFor(first, 400) // 600 in all
  expect(first.isBack()).toBe(true)
  await clock.advance(1_050)
  expect(first.isBack()).toBe(false)
  // Beyond the 150 that are usual, twice.
  expect(await silenceOf(lookout.watch(slow, { ...about, about: 'another' }))).toBe(150 + 2 * 450)
  expect(await silenceOf(lookout.watch(other, about))).toBe(200)
  await clock.advance(20_000)
  expect(await silenceOf(lookout.watch(slow, { ...about, about: 'a third' }))).toBe(200)
})

test('what is usual takes nothing from how soon one is late, and nothing makes it wait for ever', async () => {
  const lookout = new Lookout(clock)
  const manners = new Manners(clock)
  for (let count = 0; count < 20; count += 1) await silentFor(lookout.watch(manners, about), 150)
  expect(await silenceOf(lookout.watch(manners, about))).toBe(200)
  await silentFor(lookout.watch(manners, about), 20_000)
  expect(await silenceOf(lookout.watch(manners, about))).toBe(5_000)
})

test('one that was late with something is not waited for twice, unless something came from it', async () => {
  const lookout = new Lookout(clock)
  const manners = new Manners(clock)
  const first = lookout.watch(manners, about)
  expect(await silenceOf(first)).toBe(200)
  expect(await silenceOf(lookout.watch(manners, about))).toBe(LOOK_MS)
  expect(await silenceOf(lookout.watch(manners, { ...about, about: 'another' }))).toBe(200)
  first.heard()
  expect(await silenceOf(lookout.watch(manners, about))).toBeGreaterThan(200)
})

test('where this machine itself is late, others may be; but who says that he is at it is so for no longer than allowed', async () => {
  const lookout = new Lookout(clock)
  const manners = new Manners(clock)
  expect(await silenceOf(lookout.watch(manners, about), 400)).toBeGreaterThanOrEqual(200 + 400)
  expect(await silenceOf(lookout.watch(new Manners(clock), about))).toBe(150 + 400)
  const watch = lookout.watch(manners, { about: 'pkg', longestMs: () => 2_000 })
  const since = clock.now()
  let why: string | undefined
  while (why === undefined) {
    await clock.advance(LOOK_MS)
    watch.heard()
    why = watch.look()
  }
  expect([why, clock.now() - since]).toEqual(['slow', 2_000])
})

test('one that was silent and came back is waited for no longer than any other', async () => {
  const watch = new Lookout(clock).watch(new Manners(clock), about)
  const sinceMs = clock.now()
  await silenceOf(watch)
  do {
    await clock.advance(100)
    watch.heard()
  } while (watch.isBack() && clock.now() - sinceMs < 60_000)
  expect(clock.now() - sinceMs).toBe(30_000)
})
