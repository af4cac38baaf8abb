import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { FairPace } from './fair-pace.ts'

const limits = { total: { perSecond: 100, burst: 100 }, ofGroup: { perSecond: 50, burst: 50 } }

function world() {
  const clock = createFakeClock()
  const pace = new FairPace(clock, limits)
  const done: string[] = []
  /** Takes one unit again and again. */
  function keepTaking(group: string, units: number): void {
    void (async () => {
      for (let n = 0; n < units; n += 1) {
        await pace.take(group, 1)
        done.push(group)
      }
    })()
  }
  const count = (group: string): number => done.filter((name) => name === group).length
  return { clock, pace, keepTaking, count }
}

describe('fair pace', () => {
  it('costs nothing while there is budget', () => {
    const { pace } = world()
    expect(pace.take('a', 50)).toBeUndefined()
    expect(pace.take('b', 50)).toBeUndefined()
  })

  it('gives many members of one group what one has', async () => {
    const { clock, keepTaking, count } = world()
    for (let id = 0; id < 20; id += 1) keepTaking('one address', 1_000)
    await clock.advance(10_000)
    expect(count('one address')).toBeGreaterThan(400)
    expect(count('one address')).toBeLessThanOrEqual(550)
  })

  it('shares what there is among groups, and lets a newcomer through', async () => {
    const { clock, keepTaking, count, pace } = world()
    for (const group of ['a', 'b', 'c', 'd']) {
      for (let id = 0; id < 10; id += 1) keepTaking(group, 1_000)
    }
    await clock.advance(10_000)
    const counts = ['a', 'b', 'c', 'd'].map(count)
    expect(counts.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(1_100)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(60)
    let isThrough = false
    void pace.take('honest', 1)?.then(() => (isThrough = true))
    await clock.advance(100)
    expect(isThrough).toBe(true)
  })

  it('leaves nobody waiting when it stops', async () => {
    const { clock, keepTaking, count, pace } = world()
    keepTaking('a', 60)
    await clock.advance(0)
    pace.stop()
    await clock.advance(0)
    expect(count('a')).toBeGreaterThan(50)
    pace.stop()
    expect(clock.sleepers).toBe(0)
  })
})
