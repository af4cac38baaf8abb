import { expect, test } from 'vitest'
import type { Snapshot } from '../../dashboard/snapshot.ts'
import { readSnapshots } from './read-snapshots.ts'
import { screenLines } from './screen.ts'

const NOW = 1_000_000_000
const none = { artifacts: 0, bytes: 0 }
const tarballs = { store: none, peer: { artifacts: 3, bytes: 3_000_000 }, origin: none }

const SNAPSHOT: Snapshot = {
  totals: {
    ...{ viewer: 'owner', sinceMs: NOW - 60_000, upstream: null, temporary: false, tarballs },
    packuments: { fresh: 0, fetched: 0, stale: 0 },
    ...{ upstreamRequests: 0, upstreamFailures: 0, upstreamBytes: 0, uploaded: none },
  },
  problems: [{ text: 'the disk is full', next: 'make room' }],
  install: {
    ...{ number: 1, client: 'npm', startedMs: NOW, tookMs: null, tarballs, tarballRequests: 3 },
    ...{ metadataRequests: 1, running: 1, denied: 0, failed: 0, explanation: null },
    others: { count: 0, longestMs: 0 },
    rows: [
      {
        ...{ number: 1, kind: 'tarball', name: 'evil\u001b[2J', version: '1.0.0', at: 0 },
        ...{ located: 0, wait: 1, total: null, bytes: 0, source: null, outcome: 'running' },
        ...{ givers: [], late: 0, isAhead: false },
      },
    ],
  },
  traffic: {
    ...{ bucketMs: 10_000, lastBucket: NOW / 10_000 },
    bytes: { store: [0, 0], peer: [2_000_000, 5], origin: [0, 0] },
    artifacts: { store: [0, 0], peer: [2, 1], origin: [0, 0] },
  },
  swarm: {
    ...{ id: 'me', count: 1, banned: 0, reached: null },
    fleet: {
      ...{ members: 0, received: 0, fetched: 0, failed: 0 },
      metadata: { members: 0, received: 0, given: 0, failed: 0 },
    },
    peers: [
      {
        ...{ id: '12D3KooWabcdefgh', tier: 'local', transport: 'quic', address: '', artifacts: 1 },
        ...{ rttMs: 2, gotBytes: 3_000_000, gaveBytes: 0, strikes: 0 },
      },
    ],
  },
  store: {
    ...{ artifacts: 3, bytes: 1, partialBytes: 0, quotaBytes: 20e9, pinned: 0, writable: true },
  },
  publications: {
    ...{ packages: 2, short: 1, wanted: 3, replicaBytes: 0, replicaQuotaBytes: 1, list: null },
  },
  guard: {
    ...{ minReleaseAgeMs: 0, trustDowngrade: 'off', malware: null, refusals: null, refused: 0 },
  },
}

test('a screen has sources with their rates, peers, the install, problems, and no control characters', () => {
  const lines = screenLines(SNAPSHOT, { columns: 80, rows: 30 }, NOW)
  const text = lines.join('\n')
  expect(text).toMatch(/^peers +3 +3\.0 MB +200 kB$/m)
  expect(text).toMatch(/^abcdefgh +local +2 ms +3\.0 MB +0 B$/m)
  expect(text).toMatch(/^published +2 packages, 1 kept by fewer than 3 machines$/m)
  expect(text).toContain('PROBLEM the disk is full -> make room')
  expect(text).toContain('npm runs, 1 under way: 3 packages')
  expect(text).toContain('evil?[2J@1.0.0')
  expect(lines.every((line) => line.length <= 80)).toBe(true)
  expect(screenLines(SNAPSHOT, { columns: 80, rows: 5 }, NOW)).toHaveLength(5)
  const later = screenLines(SNAPSHOT, { columns: 80, rows: 30 }, NOW + 60_000)
  expect(later.join('\n')).toMatch(/^peers +3 +3\.0 MB +0 B$/m)
})

test('events come in pieces, and make whole snapshots', async () => {
  const stream = Object.entries(SNAPSHOT)
    .map(([name, value]) => `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)
    .join('')
  async function* pieces() {
    yield stream.slice(0, 100)
    yield stream.slice(100)
    yield ':\n\n'
    yield 'event: problems\ndata: []\n\n'
  }
  const seen: Snapshot[] = []
  for await (const snapshot of readSnapshots(pieces())) seen.push(snapshot)
  expect(seen).toEqual([SNAPSHOT, { ...SNAPSHOT, problems: [] }])
})
