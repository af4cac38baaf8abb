import { expect, test } from 'vitest'
import { leaveOutVersions } from './leave-out-versions.ts'

function document(latest: string, versions: readonly string[], tags: Record<string, string> = {}) {
  return {
    'dist-tags': { latest, ...tags },
    versions: Object.fromEntries(
      versions.map((one): [string, Record<string, unknown>] => [one, {}]),
    ),
    time: Object.fromEntries(versions.map((one) => [one, '2020-01-01T00:00:00Z'])),
  }
}

test.each([
  ['the one before', '1.2.0', ['1.0.0', '1.1.0', '1.2.0'], ['1.2.0'], '1.1.0'],
  ['not a higher one', '1.2.0', ['1.1.0', '1.2.0', '5.0.0'], ['1.2.0'], '1.1.0'],
  ['a higher one, if there is no lower', '1.2.0', ['1.2.0', '5.0.0'], ['1.2.0'], '5.0.0'],
  ['stable before newer', '1.2.0', ['1.0.0', '1.2.0-rc.1', '1.2.0'], ['1.2.0'], '1.0.0'],
  [
    'what is left, if nothing is stable',
    '1.0.0',
    ['1.0.0-a', '1.0.0-b', '1.0.0'],
    ['1.0.0'],
    '1.0.0-b',
  ],
])('latest becomes %s', (_, latest, versions, left, expected) => {
  const given = document(latest, versions)
  expect(leaveOutVersions(given, left)).toBe(true)
  expect(given['dist-tags'].latest).toBe(expected)
})

test('not a deprecated one, where there is another', () => {
  const given = document('1.2.0', ['1.0.0', '1.1.0', '1.2.0'])
  given.versions['1.1.0'] = { deprecated: 'broken' }
  leaveOutVersions(given, ['1.2.0'])
  expect(given['dist-tags'].latest).toBe('1.0.0')
})

test('other tags of what is gone go, the rest stays as it was', () => {
  const given = document('1.0.0', ['1.0.0', '2.0.0-b'], { next: '2.0.0-b', old: '1.0.0' })
  leaveOutVersions(given, ['2.0.0-b'])
  expect(given['dist-tags']).toEqual({ latest: '1.0.0', old: '1.0.0' })
  expect(given.time).toEqual({ '1.0.0': '2020-01-01T00:00:00Z' })
})

test('versions that are not there change nothing', () => {
  const given = document('1.0.0', ['1.0.0'])
  expect(leaveOutVersions(given, ['9.0.0', 'constructor'])).toBe(false)
  expect(given).toEqual(document('1.0.0', ['1.0.0']))
})
