import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairShare, type Holding } from './fair-share.ts'

const limits = { total: 10, ofGroup: (group: string) => (group === 'lan' ? 8 : 4) }

/** Takes so much for a new member, and lets offenders give way. Their names, in order. */
function take(share: FairShare<string>, held: Map<string, Holding>) {
  return (member: string, group: string, amount = 1): string[] => {
    const holding = share.open(member, group)
    held.set(member, holding)
    holding.add(amount)
    const gone: string[] = []
    for (let next = share.offender(); next !== undefined; next = share.offender()) {
      held.get(next)?.release()
      held.delete(next)
      gone.push(next)
    }
    return gone
  }
}

describe('fair share', () => {
  it('lets the newest of a group go that has more than its bound, though there is room', () => {
    const add = take(new FairShare<string>(limits), new Map())
    expect([1, 2, 3, 4].flatMap((n) => add(`a${n}`, 'a'))).toEqual([])
    expect(add('a5', 'a')).toEqual(['a5'])
    expect([1, 2, 3, 4, 5].flatMap((n) => add(`l${n}`, 'lan'))).toEqual([])
  })

  it('makes room for a newcomer at the cost of the group with the most', () => {
    const share = new FairShare<string>(limits)
    const add = take(share, new Map())
    for (const n of [1, 2, 3, 4]) add(`a${n}`, 'a')
    for (const n of [1, 2, 3, 4]) add(`b${n}`, 'b')
    add('c1', 'c')
    add('c2', 'c')
    expect(share.total).toBe(10)
    expect(add('d1', 'd')).toEqual(['b4'])
    expect(add('e1', 'e')).toEqual(['a4'])
    expect(add('f1', 'f')).toEqual(['b3'])
  })

  it('counts what a group has against what it may have', () => {
    const add = take(new FairShare<string>(limits), new Map())
    for (const n of [1, 2, 3, 4, 5, 6]) add(`l${n}`, 'lan')
    for (const n of [1, 2, 3, 4]) add(`a${n}`, 'a')
    expect(add('n1', 'n')).toEqual(['a4'])
  })

  it('keeps the oldest where all have the same', () => {
    const add = take(new FairShare<string>(limits), new Map())
    for (let n = 0; n < 10; n += 1) add(`p${n}`, `group ${n}`)
    expect(add('late', 'another')).toEqual(['late'])
  })

  it('cuts the member with the most of its group first', () => {
    const add = take(new FairShare<string>(limits), new Map())
    add('small', 'a', 1)
    add('large', 'a', 3)
    expect(add('new', 'a', 1)).toEqual(['large'])
  })

  it('forgets groups, and what is added after a release', () => {
    const share = new FairShare<string>(limits)
    const holding = share.open('a', 'a')
    holding.add(3)
    holding.release()
    holding.add(3)
    holding.release()
    expect([share.total, share.amountOf('a')]).toEqual([0, 0])
  })

  it('always comes back within every bound, and never at the cost of who has less', () => {
    const step = fc.record({
      group: fc.constantFrom('lan', 'a', 'b', 'c', 'd', 'e'),
      amount: fc.integer({ min: 1, max: 4 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const share = new FairShare<string>(limits)
        const held = new Map<string, Holding>()
        const add = take(share, held)
        const groupOf = new Map<string, string>()
        for (const [n, { group, amount }] of steps.entries()) {
          groupOf.set(`m${n}`, group)
          const parts = new Map(
            ['lan', 'a', 'b', 'c', 'd', 'e'].map((name) => {
              const more = name === group ? amount : 0
              return [name, (share.amountOf(name) + more) / limits.ofGroup(name)] as const
            }),
          )
          const [first] = add(`m${n}`, group, amount)
          if (first !== undefined) {
            expect(parts.get(groupOf.get(first) ?? '')).toBe(Math.max(...parts.values()))
          }
          expect(share.total).toBeLessThanOrEqual(limits.total)
          for (const name of parts.keys()) {
            expect(share.amountOf(name)).toBeLessThanOrEqual(limits.ofGroup(name))
          }
          const sum = [...held.values()].reduce((total, { amount: one }) => total + one, 0)
          expect(share.total).toBe(sum)
        }
      }),
    )
  })
})
