import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createBanStore, openBanStore } from './ban-store.ts'
import { openDatabase } from '../disk/database.ts'
import { silentLogger as log } from '../log.ts'

const DAY_MS = 24 * 3600_000

test('bans are there after a restart, and a week after their end no more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bans-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const clock = createFakeClock()
  const first = await openBanStore(folder, { clock, log })
  const ban = { kind: 'peer', subject: 'a', strikes: 1, untilMs: clock.epochMs() + DAY_MS } as const
  first.save(ban)
  first.save({ ...ban, strikes: 2 })
  first.save({ ...ban, kind: 'group', subject: '203.0.113.7' })
  first.close()
  first.save({ ...ban, subject: 'too late' })
  const second = await openBanStore(folder, { clock, log })
  onTestFinished(() => second.close())
  expect(second.load()).toEqual(
    expect.arrayContaining([
      { ...ban, strikes: 2 },
      { ...ban, kind: 'group', subject: '203.0.113.7' },
    ]),
  )
  expect(second.load()).toHaveLength(2)
  await clock.advance(7 * DAY_MS)
  expect(second.load()).toHaveLength(2)
  await clock.advance(2 * DAY_MS)
  expect(second.load()).toEqual([])
})

test('rows are bounded: those that end first go', async () => {
  const clock = createFakeClock()
  const bans = createBanStore(await openDatabase(':memory:'), { clock })
  onTestFinished(() => bans.close())
  for (let n = 0; n < 6_000; n++) {
    bans.save({ kind: 'peer', subject: `liar-${n}`, strikes: 1, untilMs: clock.epochMs() + n })
  }
  const left = bans.load()
  expect(left.length).toBeLessThanOrEqual(5_000)
  expect(left[0]?.subject).toBe('liar-5999')
})
