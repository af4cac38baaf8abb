import { CatalogError } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { Activity, type TrackedExchange } from './activity.ts'
import { InstallLog } from './install-log.ts'
import { TrafficHistory } from './traffic-history.ts'
import type { Visit, VisitRequest } from './visit.ts'

const LODASH: VisitRequest = { kind: 'tarball', name: 'lodash', version: '4.17.21' }

test('a visit knows its moments, and its install what came from where', async () => {
  const activity = new Activity()
  await activity.track(exchange(), LODASH, async (visit) => deliver(visit, 'peer', 100))
  const install = activity.installs.latest()
  expect(install).toMatchObject({ client: 'npm/11.6.0', running: 0, tarballRequests: 1 })
  expect(install?.tarballs.peer).toEqual({ artifacts: 1, bytes: 100 })
  const [visit] = install === undefined ? [] : activity.visitsOf(install)
  expect(visit).toMatchObject({ ...LODASH, outcome: 'done', source: 'peer', bytes: 100 })
  expect(visit?.endMs).toBeGreaterThanOrEqual(visit?.startedMs ?? Infinity)
  expect(activity.traffic.read().artifacts.peer).toEqual([1])
})

test('what is refused, fails or is left is told apart, and counts as nothing that came', async () => {
  const activity = new Activity()
  const reject = (error: Error, to = exchange()): Promise<void> =>
    activity.track(to, LODASH, () => Promise.reject(error))
  const denied = new CatalogError('DENIED', 'lodash@4.17.21 is denied', { hint: 'wait' })
  await expect(reject(denied)).rejects.toBe(denied)
  await expect(reject(new CatalogError('NOT_FOUND', 'no'))).rejects.toThrow('no')
  await expect(reject(new Error('gone'), exchange({ destroyed: true }))).rejects.toThrow('gone')
  const install = activity.installs.latest()
  expect(install).toMatchObject({ denied: 1, failed: 1, running: 0 })
  const visits = install === undefined ? [] : activity.visitsOf(install)
  expect(visits.map(({ outcome }) => outcome)).toEqual(['denied', 'failed', 'gone'])
  expect(activity.refusals).toMatchObject([{ message: denied.message, hint: 'wait' }])
  expect(activity.traffic.read().bytes.origin).toEqual([])
})

test('ten thousand requests take the memory of the last of them', async () => {
  const activity = new Activity()
  for (let index = 0; index < 10_000; index += 1) {
    const asked = { ...LODASH, version: `1.0.${index}` }
    await activity.track(exchange(), asked, async (visit) => deliver(visit, 'store', 1))
  }
  const install = activity.installs.latest()
  const visits = install === undefined ? [] : activity.visitsOf(install)
  expect(visits).toHaveLength(8192)
  expect(visits.at(-1)?.version).toBe('1.0.9999')
  expect(install?.tarballs.store.artifacts).toBe(10_000)
})

test('requests of one run are one install, and so are those without a pause', () => {
  const log = new InstallLog()
  const pnpm = { 'user-agent': 'pnpm/10.1.0 npm/? node/v24' }
  const first = log.of({ 'user-agent': 'npm/11', 'npm-session': 'a1b2c3d4e5' }, 0)
  expect(log.of({ 'user-agent': 'npm/11', 'npm-session': 'a1b2c3d4e5' }, 60_000)).toBe(first)
  expect(log.of({ 'user-agent': 'npm/11', 'npm-session': 'other-run-1' }, 60_000)).not.toBe(first)
  const second = log.of(pnpm, 1_000)
  second.lastMs = 5_000
  expect(log.of(pnpm, 14_000)).toBe(second)
  expect(log.of(pnpm, 30_000)).not.toBe(second)
  expect(log.of({ 'user-agent': '<script>' }, 0).client).toBe('a client without a name')
})

test('the newest that asked for a package is what is shown, not a look at its versions', () => {
  const log = new InstallLog()
  const install = log.of({ 'user-agent': 'npm/11', 'npm-session': 'install-12' }, 0)
  install.tarballRequests += 1
  log.of({ 'user-agent': 'npm/11', 'npm-session': 'npm-view-1' }, 5_000).metadataRequests += 1
  expect(log.latest()).toBe(install)
})

test('the history is by time, half an hour long, and bears a clock that is set back', () => {
  const history = new TrafficHistory()
  history.add('peer', 10, 1_000_000)
  history.add('peer', 5, 1_001_000)
  history.add('origin', 7, 1_025_000)
  history.add('store', 1, 990_000)
  expect(history.read()).toMatchObject({
    ...{ bucketMs: 10_000, lastBucket: 102 },
    bytes: { peer: [15, 0, 0], origin: [0, 0, 7], store: [0, 0, 1] },
  })
  history.add('store', 2, 9_000_000)
  const { bytes } = history.read()
  expect(bytes.peer.reduce((sum, each) => sum + each)).toBe(0)
  expect(bytes.store.at(-1)).toBe(2)
  expect(bytes.store).toHaveLength(180)
})

function deliver(visit: Visit, source: 'peer' | 'store', bytes: number): void {
  visit.source = source
  visit.bytes = bytes
}

function exchange({ destroyed = false } = {}): TrackedExchange {
  const headers = { 'user-agent': 'npm/11.6.0 node/v24', 'npm-session': 'a1b2c3d4e5' }
  return { req: { headers }, res: { destroyed } }
}
