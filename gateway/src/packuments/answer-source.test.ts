/** Whose word an answer is said to be, and how old. */
import { expect, test } from 'vitest'
import { sourceOf, SourceCounts } from './answer-source.ts'

const ofRegistry = { confirmedAtMs: 1_000, peerFetchedAtMs: undefined }
const ofPeers = { confirmedAtMs: 9_000, peerFetchedAtMs: 4_000 }

test.each([
  ['current', { document: ofRegistry, isCurrent: true }, { source: 'registry', ageMs: 9_000 }],
  ['old', { document: ofRegistry, isCurrent: false }, { source: 'kept', ageMs: 9_000 }],
  ['of peers', { document: ofPeers, isCurrent: true }, { source: 'peer', ageMs: 6_000 }],
])('%s', (_what, answered, expected) => {
  expect(sourceOf(answered, 10_000)).toEqual(expected)
})

test('counts, and the oldest', () => {
  const counts = new SourceCounts()
  expect(counts.snapshot().oldestMs).toBeNull()
  counts.note({ source: 'registry', ageMs: 5 })
  counts.note({ source: 'peer', ageMs: 70.5 })
  counts.note({ source: 'peer', ageMs: 1 })
  const answers = { registry: 1, member: 0, kept: 0, verified: 0, peer: 2 }
  expect(counts.snapshot()).toEqual({ answers, oldestMs: 70 })
})
