/** What is shown, and to whom. */
import {
  CatalogError,
  digestOf,
  keyIdFromBytes,
  type CatalogNode,
  type Head,
  type NodePeer,
} from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { NO_BUILDS } from '../build-results/build-results.ts'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { Activity } from '../activity/activity.ts'
import type { GatewayStats } from '../api.ts'
import { createOpenNames, type OpenNameRules } from '../publishing/open-names.ts'
import { findProblems } from './problems.ts'
import { sectionsFor, type SectionSources } from './sections.ts'
import type { PublicationsSection } from './snapshot.ts'
import { tierOf } from './swarm-section.ts'

const PUBLISHER = keyIdFromBytes(Buffer.alloc(32, 1))
const DIGEST = digestOf(Buffer.from('a'))
const PEER: NodePeer = {
  ...{ peer: 'their-id', address: '/ip4/192.168.7.9/udp/4875/quic-v1', group: '192.168.7.9' },
  ...({ direction: 'outbound', transport: 'quic' } as const),
  ...{ connectedAtMs: 1, artifacts: 9, names: 9 },
  ...{ rttMs: 0.8, receivedBytes: 7, sentBytes: 0, strikes: 0, carriers: 0 },
}

test('a stranger gets numbers: no package, no peer, no address, no path, no client', async () => {
  const sources = await worldOf()
  const { swarm, install, guard, totals } = sectionsFor(sources, 'stranger')
  expect(swarm).toMatchObject({ id: 'fake-node', count: 0, reached: null, peers: null })
  expect(install).toMatchObject({ client: null, rows: null, tarballRequests: 1 })
  expect(guard).toMatchObject({ refused: 1, refusals: null })
  expect(totals.upstream).toBe('https://registry.example.org/')
  const text = JSON.stringify(sectionsFor(sources, 'stranger'))
  for (const secret of ['left-pad', 'npm/11', '192.168', 'their-id', 'team-path']) {
    expect(text).not.toContain(secret)
  }
})

test('what machines share is shown, metadata too', async () => {
  const sources = await worldOf()
  const stats = sources.node.stats()
  const metadata = { ...stats.fleet.metadata, members: 2, received: 30, given: 10, failed: 1 }
  const fleet = { ...stats.fleet, members: 3, received: 4, metadata }
  Object.assign(sources.node, { stats: () => ({ ...stats, fleet }) })
  expect(sectionsFor(sources, 'stranger').swarm.fleet).toEqual({
    ...{ members: 3, received: 4, fetched: 0, failed: 0 },
    metadata: { members: 2, received: 30, given: 10, failed: 1 },
  })
})

test('a program of this machine sees peers, and the names that are public', async () => {
  const sources = await worldOf()
  const { swarm, install, guard } = sectionsFor(sources, 'neighbour')
  expect(swarm.peers).toMatchObject([{ id: 'their-id', tier: 'local', gotBytes: 7 }])
  expect(install?.rows).toMatchObject([{ name: 'left-pad', version: '1.3.0', outcome: 'denied' }])
  expect(guard.refusals).toMatchObject([{ text: 'left-pad@1.3.0 is denied', next: 'wait' }])
  const hidden = { ...sources, names: { isKnownPublic: () => false } }
  expect(JSON.stringify(sectionsFor(hidden, 'neighbour'))).not.toContain('left-pad')
})

test('what was published is named to its owner; to programs here what everybody is told, to strangers nothing', async () => {
  const sources = await worldOf()
  const heads = ['@acme/hidden', 'left-over'].map((name, index) => headOf(name, index))
  const { node } = sources
  const publications = { ...node.publications, own: () => heads, told: () => heads.slice(1) }
  const offered = ({ name }: { name: string }) =>
    name === '@acme/hidden' ? undefined : Uint8Array.of(1)
  const rules = {
    publications: { ...publications, offered },
    ...{ isInSwarm: false, isPrivate: () => false },
  }
  const world = {
    ...{ ...sources, keptBy: () => 2, isOpenName: createOpenNames(rules) },
    node: { ...node, publications },
  }
  const [owner, neighbour, stranger] = (['owner', 'neighbour', 'stranger'] as const).map(
    (viewer) => sectionsFor(world, viewer).publications,
  )
  expect(owner?.list).toMatchObject([
    { name: 'left-over', latest: '1.2.0', versions: 1, kept: 2 },
    { name: '@acme/hidden', kept: null },
  ])
  expect(neighbour?.list).toMatchObject([
    { name: 'left-over', latest: '1.2.0' },
    { name: null, latest: null },
  ])
  const seenWith = (changed: Partial<OpenNameRules>): PublicationsSection => {
    const isOpenName = createOpenNames({ ...rules, ...changed })
    return sectionsFor({ ...world, isOpenName }, 'neighbour').publications
  }
  const isPrivate = seenWith({ isPrivate: () => true })
  expect(isPrivate.list?.map(({ name, latest }) => name ?? latest)).toEqual([null, null])
  const inSwarm = seenWith({ isInSwarm: true })
  expect(inSwarm.list?.map(({ name }) => name)).toEqual([null, null])
  expect(stranger).toMatchObject({ packages: 2, short: 1, wanted: 3, list: null })
})

test('every problem has a next step, and a stranger hears of none', async () => {
  const node = createFakeNode().stats()
  const sources = {
    node: {
      ...node,
      problems: ['UDP does not get through'],
      store: { ...node.store, writable: false },
      network: { ...node.network, isAnnounceFailing: true },
    },
    gateway: {
      ...{ upstreamRequests: 4, upstreamFailures: 4 },
      builds: { ...NO_BUILDS, mode: 'write', isShared: true, unsigned: 2 },
    } as GatewayStats,
    guard: {
      ...{ minReleaseAgeMs: 0, minReleaseAgeExclude: [], trustDowngrade: 'off' as const },
      takedown: { policy: 'off' as const, versions: 0 },
      malware: { ...{ records: 1, names: 1, skipped: 0, digests: 0 }, readAt: '', problem: 'gone' },
    },
  }
  const found = findProblems(sources, 'neighbour')
  expect(found).toHaveLength(6)
  for (const { text, next } of found) expect([text.length, next.length]).not.toContain(0)
  expect(findProblems(sources, 'stranger')).toEqual([])
})

test.each([
  ['local', { rttMs: 0.8, address: '/ip4/10.0.0.7/tcp/1', transport: 'tcp' }],
  ['local', { rttMs: 2, address: '/ip6/fd00::1/udp/1/quic-v1', transport: 'quic' }],
  ['local', { rttMs: undefined, address: '/ip4/10.0.0.7/tcp/1', transport: 'tcp' }],
  ['near', { rttMs: 2, address: '/ip4/5.5.5.5/tcp/1', transport: 'tcp' }],
  ['near', { rttMs: 2, address: '/ip4/10.0.0.7/tcp/1/p2p/X/p2p-circuit', transport: 'relay' }],
  ['far', { rttMs: 80, address: '/ip4/5.5.5.5/tcp/1', transport: 'tcp' }],
  ['new', { rttMs: undefined, address: '/ip4/5.5.5.5/tcp/1', transport: 'tcp' }],
] as const)('%s: a peer that answers like %o', (tier, peer) => {
  expect(tierOf(peer)).toBe(tier)
})

/** In which the guard has refused somebody left-pad. */
async function worldOf(): Promise<SectionSources> {
  const activity = new Activity()
  const asked = { kind: 'tarball', name: 'left-pad', version: '1.3.0' } as const
  const exchange = {
    req: { headers: { 'user-agent': 'npm/11.6.0' } },
    res: { destroyed: false },
  }
  const error = new CatalogError('DENIED', 'left-pad@1.3.0 is denied', { hint: 'wait' })
  await activity.track(exchange, asked, () => Promise.reject(error)).catch(() => undefined)
  const node: CatalogNode = { ...createFakeNode(), peers: () => [PEER] }
  const tarballs = { store: none(), peer: none(), origin: none() }
  const builds = NO_BUILDS
  const stats = {
    tarballs,
    builds,
    replication: { wanted: 3, packages: 2, short: 1 },
    upstream: 'https://registry.example.org/team-path/',
  } as GatewayStats
  const guard = {
    status: () => ({
      ...{ minReleaseAgeMs: 0, minReleaseAgeExclude: [], trustDowngrade: 'off' as const },
      takedown: { policy: 'off' as const, versions: 0 },
      malware: null,
    }),
  }
  return {
    ...{ node, activity, guard, stats: () => stats, sinceMs: 1 },
    ...{ names: { isKnownPublic: () => true }, keptBy: () => 0, isOpenName: () => true },
  }
}

function headOf(name: string, changedAtMs: number): Head {
  const releases = new Map([['1.2.0', { statement: DIGEST }]])
  return {
    ...{ name, changedAtMs, releases, tags: new Map([['latest', '1.2.0']]), unpublished: [] },
    ...{ publisher: PUBLISHER, digest: DIGEST, sequence: 1, previous: undefined },
  }
}

function none(): { artifacts: number; bytes: number } {
  return { artifacts: 0, bytes: 0 }
}
