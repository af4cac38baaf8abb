import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { responsibleFor } from './rendezvous.ts'

const members = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 60 }), {
  minLength: 2,
  maxLength: 20,
})
const key = fc.string({ maxLength: 80 })
const keys = Array.from({ length: 4_000 }, (_, index) => `key ${index}`)
const peers = (count: number): string[] => Array.from({ length: count }, (_, i) => `peer ${i}`)

describe('rendezvous hashing', () => {
  test('the order in which members are seen does not matter', () => {
    fc.assert(
      fc.property(key, members, (each, all) => {
        expect(responsibleFor(each, all.toReversed())).toBe(responsibleFor(each, all))
      }),
    )
  })

  test('one that goes moves its own keys only', () => {
    fc.assert(
      fc.property(key, members, (each, all) => {
        const [gone, ...left] = all
        const before = responsibleFor(each, all)
        if (before !== gone) expect(responsibleFor(each, left)).toBe(before)
      }),
    )
  })

  test.each([2, 3, 8, 16])('%i members have even shares', (count) => {
    const shares = new Map<string, number>()
    for (const each of keys) {
      const member = responsibleFor(each, peers(count))
      shares.set(member, (shares.get(member) ?? 0) + 1)
    }
    // Five standard deviations of a binomial distribution.
    const mean = keys.length / count
    const bound = 5 * Math.sqrt(mean * (1 - 1 / count))
    expect(shares.size).toBe(count)
    for (const share of shares.values()) expect(Math.abs(share - mean)).toBeLessThan(bound)
  })

  test('nobody cannot be responsible', () => {
    expect(() => responsibleFor('key', [])).toThrow(RangeError)
  })
})
