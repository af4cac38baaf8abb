import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { silentLogger } from '../log.ts'
import { createRepeatLog } from './repeat-log.ts'

test('the first at once, then one line a minute with a count', async () => {
  const lines: unknown[] = []
  const clock = createFakeClock()
  const log = {
    ...silentLogger,
    warn: (event: string, facts?: object) => lines.push([event, facts]),
  }
  const tell = createRepeatLog({ log, clock }, 'peer.banned')
  tell({ peer: 'a' })
  for (let n = 0; n < 10_000; n += 1) tell({ peer: `liar-${n}` })
  expect(lines).toEqual([['peer.banned', { peer: 'a' }]])
  await clock.advance(60_000)
  expect(lines.slice(1)).toEqual([['peer.banned', { peer: 'liar-9999', count: 10_000 }]])
  await clock.advance(300_000)
  expect(lines).toHaveLength(2)
  tell({ peer: 'b' })
  expect(lines).toHaveLength(3)
  await clock.advance(60_000)
  expect(clock.sleepers).toBe(0)
})
