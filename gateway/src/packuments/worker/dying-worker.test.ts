/** Documents that kill the worker which reads them, or make it fall over later: what clients get, and how often it is tried. */
import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import type { JobMessage } from './packument-worker.ts'

const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-two', '1.0.0')
const PNPM = { 'user-agent': 'pnpm/12.21.0 npm/? node/? linux x64' }
const NPM = { 'user-agent': 'npm/11.21.2 node/v20.20.2 linux x64 workspaces/false' }
const OUR_YARN_PLUGIN = { 'user-agent': 'catalog-yarn-plugin/0.1.0' }

let world: GatewayWorld
/** Which jobs kill, and how often still. */
let kills: (job: JobMessage['job']) => boolean
let deaths: number
/** false: threads end before they have begun. */
let starts: boolean

beforeEach(async () => {
  deaths = 0
  starts = true
  kills = () => false
  const { postMessage } = Worker.prototype
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (
    this: Worker,
    message,
    moved,
  ) {
    if (!starts) return void this.terminate()
    const { job } = message as JobMessage
    if (!kills(job)) return postMessage.call(this, message, moved)
    deaths++
    postMessage.call(this, null) // the worker falls over it when its turn comes
  })
  world = await gatewayWorld({ packages: [one, two], fleetMetadata: true })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world[Symbol.asyncDispose]()
})

function killOnly(name: string, times: number, isIngest?: boolean): void {
  kills = (job) => {
    const matches = job.name === name && (isIngest === undefined || job.ingest === isIngest)
    return matches && deaths < times
  }
}

const unreadable = { code: 'UPSTREAM_UNREACHABLE', error: expect.stringContaining('fx-one') }

test('a worker that cannot start is not the fault of the document: it is read once one can', async () => {
  starts = false
  for (let times = 0; times < 2; times++) {
    const got = await world.http.get('/fx-one').set(PNPM)
    expect(got.status).toBe(502)
    expect(got.body).toEqual(unreadable)
  }
  expect(world.upstream.count(/fx-one/)).toBe(2)
  await world.http.get('/fx-one').set(OUR_YARN_PLUGIN).expect(200)
  starts = true
  await world.http.get('/fx-one').set(PNPM).expect(200)
})

describe('a worker that dies', () => {
  test.each([true, false])('once: nobody notices (while it reads: %s)', async (isIngest) => {
    await world.http.get('/fx-one').set(NPM).expect(200)
    await world.restart({ maxAgeMs: 0 })
    killOnly(isIngest ? 'fx-two' : 'fx-one', 1, isIngest)
    const got = await world.http.get(isIngest ? '/fx-two' : '/fx-one').set(PNPM)
    expect(got.status).toBe(200)
    expect((got.body as { name: string }).name).toBe(isIngest ? 'fx-two' : 'fx-one')
    expect(deaths).toBe(1)
  })

  test('of every document: those beside it come all the same', async () => {
    killOnly('fx-one', Infinity)
    const got = await Promise.all(
      ['/fx-one', '/fx-two', '/fx-one', '/fx-two'].map((path) => world.http.get(path).set(PNPM)),
    )
    expect(got.map(({ status }) => status)).toEqual([502, 200, 502, 200])
    expect(got[0]?.body).toEqual(unreadable)
  })

  test('while it reads a document: it is tried twice, then not again for a while', async () => {
    killOnly('fx-one', Infinity)
    for (let times = 0; times < 3; times++) {
      const got = await world.http.get('/fx-one').set(PNPM)
      expect(got.status).toBe(502)
      expect(got.body).toEqual(unreadable)
    }
    expect(deaths).toBe(2)
  })

  test('while it reads a document: who wants it untouched gets it as it is', async () => {
    killOnly('fx-one', Infinity)
    const text = JSON.stringify(world.upstream.document('fx-one'))
    for (const encoding of ['', 'gzip']) {
      const got = await fetch(`${world.url}/fx-one`, {
        headers: { ...OUR_YARN_PLUGIN, 'accept-encoding': encoding },
      })
      expect(got.status).toBe(200)
      expect(await got.text()).toBe(text)
      expect(got.headers.get('cache-control')).toBe('no-store')
    }
    const head = await world.http.head('/fx-one').set(OUR_YARN_PLUGIN)
    expect(head.status).toBe(200)
    expect(deaths).toBe(2)
    // As it is at the registry: a machine that speaks for it is not asked for what nobody reads.
    const { fleet, questions } = world.node
    const lie = gzipSync('{"name":"fx-one","versions":{}}')
    const ask = vi.fn(async () => ({
      ...{ status: 'document', kind: 'full', lifetimeMs: 60_000, document: lie },
    }))
    Object.assign(fleet.metadata, { delegateOf: () => 'member', isMember: () => true })
    Object.assign(questions, { ask })
    const later = await fetch(`${world.url}/fx-one`, { headers: OUR_YARN_PLUGIN })
    expect(await later.text()).toBe(text)
    expect(ask).not.toHaveBeenCalled()
  })

  test('with a document that had been moved to it: it is fetched again, once', async () => {
    world.upstream.document('fx-one').readme = randomBytes(200_000).toString('hex')
    killOnly('fx-one', 1)
    await world.http.get('/fx-one').set(PNPM).expect(200)
    expect({ deaths, asked: world.upstream.count(/fx-one/) }).toEqual({ deaths: 1, asked: 2 })
    world.upstream.document('fx-two').readme = randomBytes(200_000).toString('hex')
    deaths = 0
    killOnly('fx-two', Infinity)
    const got = await world.http.get('/fx-two').set(OUR_YARN_PLUGIN)
    expect(got.body).toEqual(world.upstream.document('fx-two'))
    expect({ deaths, asked: world.upstream.count(/fx-two/) }).toEqual({ deaths: 2, asked: 2 })
  })

  test('while it reads a new document: the old one is served', async () => {
    await world.http.get('/fx-one').set(PNPM).expect(200)
    await world.restart({ maxAgeMs: 0 })
    world.upstream.add(makePackage('fx-one', '1.1.0'))
    killOnly('fx-one', Infinity, true)
    const got = await world.http.get('/fx-one').set(PNPM)
    expect(got.status).toBe(200)
    expect(Object.keys((got.body as { versions: object }).versions)).toEqual(['1.0.0'])
  })

  test('while it makes a form of a document: tried twice, then a clear error for a while', async () => {
    await world.http.get('/fx-one').set(OUR_YARN_PLUGIN).expect(200)
    killOnly('fx-one', Infinity, false)
    for (let times = 0; times < 3; times++) {
      const got = await world.http.get('/fx-one').set(PNPM)
      expect(got.status).toBe(502)
      expect(got.body).toEqual(unreadable)
    }
    expect(deaths).toBe(2)
    await world.http.get('/fx-one').set(OUR_YARN_PLUGIN).expect(200)
  })

  test('while it shortens a document that would not change otherwise: it is served whole', async () => {
    await world.http.get('/fx-one').set(OUR_YARN_PLUGIN).expect(200)
    world.upstream.fault(/fx-one/, { kind: 'reset' }, Infinity)
    killOnly('fx-one', Infinity, false)
    const accept = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'
    const got = await world.http.get('/fx-one').set({ ...OUR_YARN_PLUGIN, accept })
    expect(got.status).toBe(200)
    expect(got.headers['content-type']).toContain('application/json')
    expect(deaths).toBe(2)
    expect(got.body).toEqual(world.upstream.document('fx-one'))
  })
})
