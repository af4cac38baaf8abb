/** What a registry gives as its reasons reaches the client, and one that gets too many requests is left alone. */
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { retryAfterMs } from './back-off.ts'

const PACKAGES = 40
const names = Array.from({ length: PACKAGES }, (_, i) => `fx-busy-${i}`)

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

/** A registry that answers whatever it is asked by `answer`. */
async function start(answer: (res: ServerResponse, url: string) => void): Promise<void> {
  world = await gatewayWorld({ upstreamRetries: 2 })
  world.upstream.otherwise = ({ url }, res) => answer(res, url)
}

const packument = (name: string): string =>
  JSON.stringify({ name, 'dist-tags': {}, versions: {}, time: {} })

describe('a registry that gets too many requests', () => {
  test('is left alone for as long as it asks, and the client is told', async () => {
    await start((res) => void res.writeHead(429, { 'retry-after': '30' }).end())

    const first = await Promise.all(names.map((name) => world.get(`/${name}`)))

    for (const { status, headers } of first) {
      expect(status).toBe(429)
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
      expect(Number(headers['retry-after'])).toBeLessThanOrEqual(30)
    }
    expect(world.upstream.seen.length).toBeLessThanOrEqual(PACKAGES)
    world.upstream.forget()
    for (const path of [
      '/fx-more',
      '/fx-more/-/fx-more-1.0.0.tgz',
      '/-/package/fx-more/collaborators',
    ]) {
      expect((await world.get(path)).status).toBe(429)
    }
    expect(world.upstream.seen).toEqual([])
  })

  test('is asked by one of those that wait, and then by all', async () => {
    let refusals = 2
    await start((res, url) => {
      if (refusals-- > 0) return void res.writeHead(429, { 'retry-after': '1' }).end()
      res.writeHead(200, { 'content-type': 'application/json' }).end(packument(url.slice(1)))
    })

    const answers = await Promise.all(names.map((name) => world.get(`/${name}`)))

    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
    expect(world.upstream.seen.length).toBeLessThanOrEqual(PACKAGES + 2)
  })

  test('goes on being asked by who changes something', async () => {
    await start((res) => void res.writeHead(429, { 'retry-after': '30' }).end())
    await world.get('/fx-one')
    world.upstream.otherwise = (_request, res) => void res.writeHead(201).end('{}')
    expect((await world.http.put('/fx-one').send({})).status).toBe(201)
  })

  test('holds nobody back from what is kept', async () => {
    world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')], maxAgeMs: 0 })
    const before = await world.get('/fx-one')
    world.upstream.fault(/./, { kind: 'status', status: 429 })
    const again = await world.get('/fx-one')
    expect([again.status, again.body]).toEqual([200, before.body])
  })
})

test.each([
  ['3', 3000],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 9000],
  ['-5', 0],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s', (header, ms) => {
  expect(retryAfterMs(header, 1000)).toBe(ms)
})

/** Not the metadata of a tarball. */
function pathOnly(path: string): RegExp {
  return path.endsWith('.tgz') ? /tgz/ : /./
}

describe('the reasons of a refusal', () => {
  const PATHS = ['/fx-one', '/fx-one/-/fx-one-1.0.0.tgz']

  test.each(PATHS)('reach who asks for %s', async (path) => {
    world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')] })
    world.upstream.fault(pathOnly(path), {
      kind: 'status',
      status: 403,
      body: '{"error":"quarantined by policy 7"}',
      headers: { 'npm-notice': 'see wiki/policy-7', 'www-authenticate': 'Basic realm="corp"' },
    })
    const { status, headers, body } = await world.get(path)
    expect(status).toBe(403)
    expect(body.toString()).toContain('quarantined by policy 7')
    expect(headers['npm-notice']).toBe('see wiki/policy-7')
    expect(headers['www-authenticate']).toBe('Basic realm="corp"')
    // The line that Yarn and pnpm print.
    const { statusText } = await fetch(world.url + path)
    expect(statusText).toContain('quarantined by policy 7')
  })

  test.each([...PATHS, '/-/v1/search?text=x'])('in the status line reach %s', async (path) => {
    world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')] })
    world.upstream.fault(pathOnly(path), {
      kind: 'status',
      status: 403,
      phrase: 'Blocked: malware',
      body: '<h1>no</h1>',
      headers: {},
    })
    const response = await fetch(world.url + path)
    expect([response.status, response.statusText]).toEqual([
      403,
      expect.stringContaining('Blocked: malware'),
    ])
  })

  test.each(PATHS)('and when to come again, from who is not there (%s)', async (path) => {
    world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')], upstreamRetries: 0 })
    world.upstream.fault(pathOnly(path), {
      kind: 'status',
      status: 503,
      body: '{"error":"back at noon"}',
      headers: { 'retry-after': '7' },
    })
    const { status, headers, body } = await world.get(path)
    expect([status, headers['retry-after']]).toEqual([503, '7'])
    expect(body.toString()).toContain('back at noon')
  })
})
