import { expect, test } from 'vitest'
import { explain, type ExplainFacts } from './explain.ts'
import type { Install } from './install-log.ts'
import { spendTime } from './time-shares.ts'
import type { Visit } from './visit.ts'

const none = () => ({ artifacts: 0, bytes: 0 })
const install: Install = {
  ...{ number: 1, client: 'npm/11.6.0', startedMs: 0, lastMs: 1_000, running: 0 },
  tarballs: { store: none(), peer: none(), origin: { artifacts: 2, bytes: 900 } },
  ...{ tarballRequests: 3, metadataRequests: 1, denied: 0, failed: 0 },
}
const course = { asked: 0, late: 0, failed: 0, originAfterMs: 0, givers: [] }

test('the parts are the whole, however much happened at once', () => {
  const visits = [
    visit({ startedMs: 0, locatedMs: 0, firstMs: 300, endMs: 400, source: 'origin' }),
    visit({ startedMs: 200, locatedMs: 200, firstMs: 300, endMs: 300, source: 'peer', course }),
    visit({ startedMs: 600, endMs: 700, kind: 'metadata', source: 'origin' }),
  ]
  const { byCause, mostAtOnce } = spendTime(visits, { fromMs: 0, toMs: 1_000 })
  expect(Object.fromEntries(byCause)).toEqual({
    'registry-wait': { ms: 250, requests: 1 },
    'registry-bytes': { ms: 100, requests: 1 },
    'peers-wait': { ms: 50, requests: 1 },
    'metadata-registry': { ms: 100, requests: 1 },
    client: { ms: 500, requests: 0 },
  })
  expect(mostAtOnce).toBe(2)
  expect([...byCause.values()].reduce((sum, { ms }) => sum + ms, 0)).toBe(1_000)
})

test('one that is not over counts up to now, and to nobody', () => {
  const visits = [visit({ startedMs: 10, locatedMs: 20, outcome: 'running' })]
  const { byCause } = spendTime(visits, { fromMs: 0, toMs: 100 })
  expect(Object.fromEntries([...byCause].map(([cause, { ms }]) => [cause, ms]))).toEqual({
    ...{ client: 10, finding: 10, unanswered: 80 },
  })
})

test('causes come longest first, with what was counted and what it would take', () => {
  const visits = [
    visit({ startedMs: 0, locatedMs: 1, firstMs: 600, endMs: 900, source: 'origin', course }),
    visit({
      startedMs: 900,
      firstMs: 990,
      endMs: 990,
      source: 'origin',
      course: { ...course, asked: 1, late: 1 },
    }),
    visit({ startedMs: 0, endMs: 40, kind: 'metadata', source: 'store', name: '@corp/secret' }),
  ]
  const said = explain(factsOf(visits))
  expect(said.shares.map(({ cause }) => cause).slice(0, 2)).toEqual([
    'registry-wait',
    'registry-bytes',
  ])
  expect(said.findings).toEqual([
    '1 came from the registry: no connected peer said that it has them (0 connected now)',
    '1 came from the registry after a peer had taken too long',
  ])
  expect(said.slowest[0]).toMatchObject({ name: 'lodash', ms: 900 })
  expect(said.next[0]).toMatch(/no peer is connected/)
  expect(said).toMatchObject({ tookMs: 1_000, requests: 4, counted: 3, mostAtOnce: 2 })
  const hidden = explain({ ...factsOf(visits), maySee: () => false, showsClient: false })
  expect(JSON.stringify(hidden)).not.toMatch(/lodash|secret|npm\//)
})

test('what only its registry may give is said, with what would change that', () => {
  const times = { startedMs: 0, locatedMs: 1, firstMs: 600, endMs: 900 }
  const { findings, next } = explain({
    ...factsOf([visit({ ...times, source: 'origin', isPublic: false, course })]),
    peers: 1,
  })
  expect(findings[0]).toMatch(/^1 came from the registry: .*private/)
  expect(next.join('\n')).toMatch(/1 package could not come from peers: .*--public-registry URL/)
})

test('a fast one gets no advice, and nothing is said of what was not counted', () => {
  const visits = [visit({ startedMs: 0, locatedMs: 1, firstMs: 2, endMs: 3, source: 'store' })]
  const said = explain({ ...factsOf(visits), install: { ...install, lastMs: 3 } })
  expect([said.findings, said.next]).toEqual([[], []])
})

function factsOf(visits: readonly Visit[]): ExplainFacts {
  return {
    ...{ install, visits, nowMs: 5_000, peers: 0, isStoreWritable: true, showsClient: true },
    maySee: () => true,
  }
}

function visit(fields: Partial<Visit>): Visit {
  return {
    ...{ kind: 'tarball', name: 'lodash', version: '4.17.21', number: 0, install, startedMs: 0 },
    ...{ locatedMs: undefined, firstMs: undefined, endMs: undefined, bytes: 0, source: undefined },
    ...{
      isPublic: true,
      isAhead: false,
      course: undefined,
      outcome: 'done',
      code: undefined,
      ...fields,
    },
  }
}
