import { createServer, request as httpRequest } from 'node:http'
import supertest from 'supertest'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { incompressibleBytes, makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { until } from '../../../test/support/until.ts'
import { createGateway } from '../gateway.ts'
import { npmConfigFrom } from '../upstream/npmrc.ts'
import { isProof } from './daemon-proof.ts'

const packages = Array.from({ length: 40 }, (_, i) => makePackage(`fx-many-${i}`, '1.0.0'))
const wanted = packages.map(({ name, version, integrity }) => ({ name, version, integrity }))
const [first] = packages
const auth = { 'x-catalog-token': TOKEN }

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages })
})
afterEach(() => world[Symbol.asyncDispose]())

async function prefetch(body: unknown): Promise<{ status: number; lines: Line[] }> {
  const response = await fetch(`${world.url}/-/catalog/prefetch`, {
    method: 'POST',
    headers: { ...auth, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    lines: text
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Line),
  }
}

type Line = Record<string, unknown>

describe('reading', () => {
  test('health is small, and not logged', async () => {
    const got = await world.http.get('/-/catalog/health')
    expect(got.body).toEqual({
      ...{ status: 'ok', id: 'fake-node' },
      registries: [{ scope: null, url: world.upstream.url, isPublicDefault: false }],
    })
    expect(world.logged.some((line) => line.includes('health'))).toBe(false)
  })

  test('health shows to who asks for it that it has the token, and never the token', async () => {
    const challenge = 'c'.repeat(32)
    const { body, text } = await world.http.get(`/-/catalog/health?challenge=${challenge}`)
    expect(isProof(TOKEN, challenge, (body as { proof?: string }).proof)).toBe(true)
    expect(text).not.toContain(TOKEN)
    for (const junk of ['', 'short', 'ü'.repeat(30), 'c'.repeat(65)]) {
      const got = await world.http.get(`/-/catalog/health?challenge=${encodeURIComponent(junk)}`)
      expect(got.body).not.toHaveProperty('proof')
    }
  })

  test('ready: what is wrong is said, and not logged', async () => {
    const { body } = await world.http.get('/-/catalog/ready').expect(200)
    expect(body).toEqual({ status: 'ready', problems: [] })
    const { stats } = world.node
    world.node.stats = () => ({ ...stats(), problems: ['QUIC does not listen'] })
    const next = expect.any(String)
    const got = await world.http.get('/-/catalog/ready').expect(200)
    const problems = [{ text: 'QUIC does not listen', next }]
    expect(got.body).toEqual({ status: 'degraded', problems })
    expect(world.logged.some((line) => line.includes('ready'))).toBe(false)
    await world.http.post('/-/catalog/ready').expect(405)
  })

  test('not ready before the start, nor while answers end, nor after the stop', async () => {
    const npmConfig = npmConfigFrom({ registry: world.upstream.url })
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const gateway = createGateway({ node: world.node, log, npmConfig }, { port: 0 })
    let before: () => unknown = () => undefined
    const mounted = createServer((req, res) => {
      before()
      gateway.app(req, res)
    })
    const http = supertest(mounted)
    const isNot = async (reason: string): Promise<void> => {
      const { body } = await http.get('/-/catalog/ready').expect(503).expect('retry-after', '1')
      expect(body).toEqual({ error: `the gateway is ${reason}`, code: 'NODE_STOPPED' })
    }
    await isNot('not running')
    let starting: ReturnType<typeof gateway.start> | undefined
    before = () => (starting ??= gateway.start())
    await isNot('starting')
    const [url = ''] = (await starting)?.urls ?? []
    await http.get('/-/catalog/ready').expect(200)

    const held = Promise.withResolvers<void>()
    world.upstream.fault(/fx-many-0/, { kind: 'hold', until: held.promise })
    const answer = fetch(`${url}fx-many-0`)
    await until(() => world.upstream.count(/fx-many-0/) === 1)
    const stopping = gateway.stop()
    await isNot('stopping: it finishes the answers under way')
    held.resolve()
    expect((await answer).status).toBe(200)
    await stopping
    await isNot('not running')
  })

  test('status tells what came from where', async () => {
    const path = `/${first?.name}/-/${first?.name}-1.0.0.tgz`
    await world.get(path)
    await world.get(path)
    const { body } = await world.http.get('/-/catalog/status')
    expect(body.gateway.tarballs).toMatchObject({
      origin: { artifacts: 1, bytes: first?.tarball.length },
      store: { artifacts: 1, bytes: first?.tarball.length },
      peer: { artifacts: 0, bytes: 0 },
    })
    expect(body.gateway.requests.tarball).toBe(2)
    expect(body.gateway.upstream).toBe(world.upstream.url)
    expect(body.gateway.upstreamRequests).toBe(2)
    expect(body.node.store.artifacts).toBe(1)
  })

  test('metrics are Prometheus text with closed labels', async () => {
    await world.get(`/${first?.name}/-/${first?.name}-1.0.0.tgz`)
    const got = await world.http.get('/-/catalog/metrics').buffer(true)
    expect(got.headers['content-type']).toMatch(/^text\/plain/)
    expect(got.text).toContain('catalog_gateway_requests_total{route="tarball",status="2xx"} 1')
    expect(got.text).toContain(
      `catalog_gateway_tarball_bytes_total{source="origin"} ${first?.tarball.length}`,
    )
    expect(got.text).toContain('catalog_gateway_request_duration_seconds_count{route="tarball"} 1')
    expect(got.text).toContain('catalog_store_artifacts 1')
    expect(got.text).not.toContain('fx-many')
  })

  test('peers', async () => {
    expect((await world.http.get('/-/catalog/peers')).body).toEqual({ peers: [] })
  })

  test('another method is 405, another route 404', async () => {
    expect((await world.http.post('/-/catalog/status').send({})).status).toBe(405)
    expect((await world.http.get('/-/catalog/prefetch')).status).toBe(405)
    expect((await world.http.get('/-/catalog/nothing')).status).toBe(404)
  })
})

describe('the token', () => {
  const routes = ['/-/catalog/prefetch', '/-/catalog/store/prune', '/-/catalog/store/verify']

  test.each(routes)('is needed for %s', async (route) => {
    expect((await world.http.post(route).send({})).status).toBe(403)
    const wrong = { 'x-catalog-token': `${TOKEN}x` }
    expect((await world.http.post(route).set(wrong).send({})).status).toBe(403)
  })

  test('that was never set lets nobody in', async () => {
    await world[Symbol.asyncDispose]()
    const none: { adminToken?: undefined } = {}
    world = await gatewayWorld({ packages, ...none, adminToken: undefined })
    const got = await world.http.post('/-/catalog/store/prune').set(auth).send({})
    expect(got.status).toBe(403)
  })
})

describe('prefetch', () => {
  test('gets every package, tells of each, and sums up', async () => {
    const { status, lines } = await prefetch({ packages: wanted })
    expect(status).toBe(200)
    expect(lines).toHaveLength(41)
    const bytes = packages.reduce((sum, { tarball }) => sum + tarball.length, 0)
    expect(lines.at(-1)).toEqual({ done: true, packages: 40, ok: 40, failed: 0, bytes })
    expect(lines[0]).toMatchObject({ status: 'ok', source: 'origin' })
    expect(packages.every(({ integrity }) => world.node.has(parseDigest(integrity)))).toBe(true)
    expect(world.upstream.count(/tgz/)).toBe(40)
    expect(world.upstream.seen).toHaveLength(40)
  })

  test('without integrity finds it in the metadata', async () => {
    const { lines } = await prefetch({ packages: [{ name: first?.name, version: '1.0.0' }] })
    expect(lines.at(-1)).toMatchObject({ ok: 1, failed: 0 })
  })

  test('tells what failed and goes on', async () => {
    const missing = { name: 'fx-none', version: '1.0.0' }
    const { lines } = await prefetch({ packages: [missing, ...wanted.slice(0, 2)] })
    expect(lines.at(-1)).toMatchObject({ ok: 2, failed: 1 })
    expect(lines.find(({ status }) => status === 'failed')).toMatchObject({ name: 'fx-none' })
  })

  test('teaches the version index: a client without digests needs no metadata', async () => {
    await prefetch({ packages: wanted.slice(0, 1) })
    await world.restart({ upstream: null })
    const got = await world.get(`/${first?.name}/-/${first?.name}-1.0.0.tgz`)
    expect(got.body.equals(first?.tarball ?? Buffer.alloc(0))).toBe(true)
  })

  test('what a packument says counts more than a lockfile', async () => {
    const lie = [{ name: first?.name, version: '1.0.0', integrity: packages[1]?.integrity }]
    await prefetch({ packages: lie })
    await world.http.get(`/${first?.name}`)
    const got = await world.get(`/${first?.name}/-/${first?.name}-1.0.0.tgz`)
    expect(got.body.equals(first?.tarball ?? Buffer.alloc(0))).toBe(true)
  })

  test.each([
    ['a name', { packages: [{ name: '../x', version: '1.0.0' }] }],
    ['a version', { packages: [{ name: 'x', version: '1.0.0/../..' }] }],
    ['no list', { packages: 'x' }],
    ['nothing', {}],
  ])('refuses %s that is none', async (_what, body) => {
    expect((await prefetch(body)).status).toBe(400)
  })

  test('names the one that is wrong, and has done nothing by then', async () => {
    const bad = { name: 'x', version: 'one' }
    const { status, lines } = await prefetch({ packages: [...wanted, bad] })
    expect(status).toBe(400)
    expect(lines[0]?.error).toContain('packages.40.version')
    expect(world.upstream.seen).toEqual([])
  })

  test('refuses more than its bound, other types, and junk', async () => {
    await world.restart({ maxPrefetch: 3 })
    expect((await prefetch({ packages: wanted.slice(0, 4) })).status).toBe(400)
    const post = () => world.http.post('/-/catalog/prefetch').set(auth)
    expect((await post().type('text/plain').send('{"packages":[]}')).status).toBe(415)
    expect((await post().type('application/json').send('{"pack')).status).toBe(400)
  })

  test('ends when the client leaves', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise })
    const request = httpRequest(`${world.url}/-/catalog/prefetch`, {
      method: 'POST',
      headers: { ...auth, 'content-type': 'application/json' },
    })
    request.on('error', () => undefined)
    request.end(JSON.stringify({ packages: wanted }))
    await expect.poll(() => world.upstream.count(/tgz/)).toBeGreaterThan(5)
    request.destroy()
    await expect.poll(() => world.gateway.stats().activeRequests).toBe(0)
    await expect.poll(() => world.node.stats().activeDownloads).toBe(0)
    gate.resolve()
    expect(world.upstream.count(/tgz/)).toBeLessThan(40)
  })

  test("of a lockfile that has other bytes than the registry ends nobody else's install", async () => {
    const large = makePackage('fx-large', '1.0.0', {}, [
      { path: 'big.bin', content: incompressibleBytes(700_000, 'large') },
    ])
    world.upstream.add(large)
    const mirrored = wanted[1]?.integrity
    const names = [first?.name, large.name]
    await prefetch({
      packages: names.map((name) => ({ name, version: '1.0.0', integrity: mirrored })),
    })
    const path = (name: string | undefined): string => `/${name}/-/${name}-1.0.0.tgz`
    const got = await world.get(path(first?.name))
    expect(got.body.equals(first?.tarball ?? Buffer.alloc(0))).toBe(true)
    expect((await world.get(path(large.name))).body.equals(large.tarball)).toBe(true)
  })
})

describe('store actions', () => {
  const post = (action: string, body: object = {}) =>
    world.http.post(`/-/catalog/store/${action}`).set(auth).send(body)

  test('verify and prune report', async () => {
    await prefetch({ packages: wanted.slice(0, 3) })
    expect((await post('verify')).body).toMatchObject({ checked: 3, corrupt: [] })
    expect((await post('prune', { targetBytes: 0 })).body).toMatchObject({ removed: 3 })
  })

  test('pin pins what is there and names what is not', async () => {
    await prefetch({ packages: wanted.slice(0, 1) })
    const digests = [wanted[0]?.integrity ?? '', wanted[1]?.integrity ?? '']
    expect((await post('pin', { digests })).body).toEqual({ changed: 1, missing: [digests[1]] })
    expect(world.node.entry(parseDigest(digests[0] ?? ''))?.pinned).toBe(true)
    await post('pin', { digests: [digests[0]], pinned: false })
    expect(world.node.entry(parseDigest(digests[0] ?? ''))?.pinned).toBe(false)
  })

  test('a bad body is 400, another action 404', async () => {
    expect((await post('prune', { targetBytes: -1 })).status).toBe(400)
    expect((await post('pin', {})).status).toBe(400)
    expect((await post('burn')).status).toBe(404)
  })
})
