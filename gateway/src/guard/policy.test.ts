import { expect, test } from 'vitest'
import type { Denial, GuardedVersion } from './guarded-version.ts'
import { judgeVersions, malwareDenial, type Rules } from './policy.ts'
import { isListed } from './release-age.ts'

const DAY_MS = 86_400_000
const NOW = Date.UTC(2026, 0, 10)
const OFF: Rules = {
  age: undefined,
  trustDowngrade: 'off',
  mustBeSigned: false,
  bad: () => undefined,
}

function version(
  name: string,
  days: number | undefined,
  facts: Partial<GuardedVersion> = {},
): GuardedVersion {
  const publishedAtMs = days === undefined ? undefined : NOW - days * DAY_MS
  return { version: name, publishedAtMs, hasProvenance: false, isSigned: false, ...facts }
}

const judged = (versions: readonly GuardedVersion[], rules: Partial<Rules>) =>
  judgeVersions(versions, { ...OFF, ...rules }, NOW)

test('without rules everything is given out', () => {
  const { denied, untilMs } = judged([version('1.0.0', 0), version('1.0.1', undefined)], {})
  expect({ denied: denied.size, untilMs }).toEqual({ denied: 0, untilMs: Infinity })
})

test('age: to the millisecond, with the next moment at which the answer is another', () => {
  const versions = [
    version('1.0.0', 3),
    version('1.1.0', 2.5),
    version('1.2.0', 1),
    version('2.0.0', -1),
  ]
  const { denied, untilMs } = judged(versions, { age: { minMs: 3 * DAY_MS } })
  expect([...denied.keys()]).toEqual(['1.1.0', '1.2.0', '2.0.0'])
  expect(untilMs).toBe(NOW + DAY_MS / 2)
  expect(denied.get('1.2.0')).toMatchObject({ reason: 'too-young', untilMs: NOW + 2 * DAY_MS })
  expect(denied.get('1.2.0')?.why).toContain(
    '3 d after they came out, this one from 2026-01-12 00:00 UTC on',
  )
})

test('age: no time is no age', () => {
  const { denied } = judged([version('1.0.0', undefined)], { age: { minMs: 1 } })
  expect(denied.get('1.0.0')).toMatchObject({ reason: 'unknown-age', untilMs: undefined })
})

test('malware comes before age, and never passes', () => {
  const bad = (one: string): Denial | undefined =>
    malwareDenial(one === '1.0.0' ? 'MAL-1' : undefined)
  const { denied, untilMs } = judged([version('1.0.0', 0)], { bad, age: { minMs: DAY_MS } })
  expect(denied.get('1.0.0')).toMatchObject({ reason: 'malware', untilMs: undefined })
  expect(untilMs).toBe(Infinity)
})

test('trust: in the order in which versions came out, whatever the order of the document', () => {
  const versions = [
    version('2.0.0', 1),
    version('1.0.0', 9),
    version('1.1.0', 5, { hasProvenance: true, isSigned: true }),
    version('1.2.0', 3, { hasProvenance: true }),
    version('0.9.0', undefined),
  ]
  const { denied } = judged(versions, { trustDowngrade: 'refuse' })
  expect([...denied.keys()].sort()).toEqual(['1.2.0', '2.0.0'])
  const { denied: none, warned } = judged(versions, { trustDowngrade: 'warn' })
  expect(none.size).toBe(0)
  expect(warned.get('1.2.0')).toBe('without a signature, which 1.1.0 had')
})

test.each([
  ['left-pad', ['left-pad'], true],
  ['Left-Pad', ['left-pad'], true],
  ['@acme/one', ['@acme'], true],
  ['@acme/one', ['@acme/two'], false],
  ['@acmeplus/one', ['@acme'], false],
  ['acme', ['@acme'], false],
])('%s is listed in %s: %s', (name, list, expected) => {
  expect(isListed(name, list)).toBe(expected)
})
