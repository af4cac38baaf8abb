/** What k witnesses agree upon, and that fewer, older or contradicting ones are not believed. */
import { describe, expect, test } from 'vitest'
import { findAgreement, MAX_CLOCK_SKEW_MS, MAX_TAG_AGE_MS, type Vote } from './quorum.ts'

const NOW = 1_700_000_000_000
const HOUR = 3_600_000
const OLD = '2020-01-01T00:00:00.000Z'

interface Said {
  latest?: string
  tags?: Record<string, string>
  times?: Record<string, string>
  gone?: Record<string, string>
  ageMs?: number
}

function vote(witness: string, { latest, tags, times = {}, gone = {}, ageMs = 0 }: Said): Vote {
  const named = { ...tags, ...(latest !== undefined && { latest }) }
  const versions = Object.entries(times).map(
    ([version, time]) => [version, [`sha512-${version}`, Date.parse(time)]] as const,
  )
  const list = {
    tags: new Map(Object.entries(named)),
    versions: new Map(versions),
    gone: new Map(Object.entries(gone)),
  }
  return { witness, seenAtMs: NOW - ageMs, list }
}

const agree = (quorum: number, votes: Vote[], floorMs = 0) =>
  findAgreement(votes, { quorum, nowMs: NOW, floorMs })

const latestOf = (...args: Parameters<typeof agree>): string | undefined =>
  agree(...args).tags.get('latest')

describe('a tag', () => {
  const a = vote('a', { latest: '1.0.0' })
  const b = vote('b', { latest: '1.0.0', ageMs: HOUR })
  const other = vote('c', { latest: '2.0.0' })

  test('is what k witnesses name, no older than the k-th of them', () => {
    const agreed = agree(2, [a, b])
    expect(agreed.tags.get('latest')).toBe('1.0.0')
    expect(agreed.latestSeenAtMs).toBe(NOW - HOUR)
    expect(agreed.disputed).toEqual([])
  })

  test.each<[string, number, Vote[]]>([
    ['k-1 witnesses', 2, [a]],
    ['none', 1, []],
    ['two that disagree', 2, [a, other]],
    ['one that speaks twice', 2, [a, { ...a, seenAtMs: NOW - 1 }]],
    [
      'a young one and one too old',
      2,
      [a, vote('b', { latest: '1.0.0', ageMs: MAX_TAG_AGE_MS + 1 })],
    ],
    ['one of the future', 2, [a, vote('b', { latest: '1.0.0', ageMs: -MAX_CLOCK_SKEW_MS - 1 })]],
  ])('is not believed of %s', (_what, quorum, votes) => {
    expect(latestOf(quorum, votes)).toBeUndefined()
  })

  test('that a minority contradicts is believed, and said to be disputed', () => {
    const agreed = agree(2, [a, b, other])
    expect(agreed.tags.get('latest')).toBe('1.0.0')
    expect(agreed.disputed).toEqual(['latest'])
  })

  test('is what the newest k say, where more than k have spoken', () => {
    const later = ['d', 'e'].map((each) => vote(each, { latest: '1.1.0' }))
    const earlier = ['f', 'g', 'h'].map((each) => vote(each, { latest: '1.0.0', ageMs: HOUR }))
    expect(latestOf(2, [...earlier, ...later])).toBe('1.1.0')
    expect(latestOf(3, [...earlier, ...later])).toBe('1.0.0')
  })

  test('is never older than what this machine saw', () => {
    expect(latestOf(2, [a, b], NOW - HOUR)).toBe('1.0.0')
    expect(latestOf(2, [a, b], NOW - HOUR + 1)).toBeUndefined()
  })

  test("is a witness's newest word", () => {
    const votes = [a, { ...other, witness: 'a', seenAtMs: NOW - HOUR }]
    expect(latestOf(1, votes)).toBe('1.0.0')
  })
})

describe('a time', () => {
  const times = (witness: string, time: string, more: Said = {}): Vote =>
    vote(witness, { times: { '1.0.0': time }, ...more })

  test('is the instant that k witnesses name, however old their word is', () => {
    const votes = [times('a', OLD, { ageMs: 999 * HOUR }), times('b', '2020-01-01T01:00:00+01:00')]
    expect(agree(2, votes).times.get('1.0.0')).toBe(Date.parse(OLD))
    expect(agree(2, votes).versions.get('1.0.0')).toBe('sha512-1.0.0')
  })

  test('is not believed of fewer, or where two instants have a quorum', () => {
    const other = '2021-01-01T00:00:00.000Z'
    expect(agree(2, [times('a', OLD), times('b', other)]).times.size).toBe(0)
    const split = [times('a', OLD), times('b', OLD), times('c', other), times('d', other)]
    expect(agree(2, split).times.size).toBe(0)
    expect(agree(1, [times('a', OLD), times('b', other)]).times.size).toBe(0)
  })
})

describe('that a version is gone', () => {
  const gone = (witness: string, reason: string): Vote =>
    vote(witness, { gone: { '1.0.0': reason }, ageMs: 999 * HOUR })

  test('takes k witnesses, who need not agree why', () => {
    expect(agree(2, [gone('a', 'removed')]).gone.size).toBe(0)
    const both = agree(2, [gone('a', 'removed'), gone('b', 'MAL-2026-1')])
    expect(both.gone.get('1.0.0')).toBe('MAL-2026-1')
  })
})
