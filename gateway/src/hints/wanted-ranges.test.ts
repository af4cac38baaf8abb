import { expect, test } from 'vitest'
import { MAX_NAMES, MAX_RANGES, MAX_RANGE_LENGTH, WantedRanges } from './wanted-ranges.ts'

test('knows each range of a package once', () => {
  const wanted = new WantedRanges()
  expect(wanted.of('a')).toBeUndefined()
  expect([wanted.add('a', '^1'), wanted.add('a', '^1'), wanted.add('a', '^2')]).toEqual([
    ...[true, false, true],
  ])
  expect([...(wanted.of('a') ?? [])]).toEqual(['^1', '^2'])
  wanted.clear()
  expect(wanted.of('a')).toBeUndefined()
  expect(wanted.add('a', '^1')).toBe(true)
})

test('takes so many ranges of a package, so long ones, and so many packages', () => {
  const wanted = new WantedRanges()
  expect(wanted.add('a', '1'.repeat(MAX_RANGE_LENGTH + 1))).toBe(false)
  expect(wanted.of('a')).toBeUndefined()
  for (let at = 0; at < MAX_RANGES + 5; at++) {
    expect(wanted.add('a', `^${at}`)).toBe(at < MAX_RANGES)
  }
  expect(wanted.of('a')?.size).toBe(MAX_RANGES)
  for (let at = 1; at < MAX_NAMES; at++) wanted.add(`p${at}`, '*')
  expect(wanted.add('one-more', '*')).toBe(false)
  expect(wanted.of('one-more')).toBeUndefined()
  expect(wanted.add('p1', '^1')).toBe(true)
})
