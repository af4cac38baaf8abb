/** What early lists make the gateway do, through its HTTP face: nothing unasked, never too much, nothing private. */
import { gzipSync } from 'node:zlib'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import {
  gatewayWorld,
  type GatewayWorld,
  type WorldOptions,
} from '../../../test/support/gateway-world.ts'
import { until } from '../../../test/support/until.ts'

const packages = Array.from({ length: 40 }, (_, i) => makePackage(`fx-hint-${i}`, '1.0.0'))
const BULK = '/-/npm/v1/security/advisories/bulk'

/** Where everything is near, hints would not be worth it. */
const world = (options: WorldOptions = {}) => gatewayWorld({ packages, hintWaitMs: 0, ...options })
const tarball = (i: number): string => `/fx-hint-${i}/-/fx-hint-${i}-1.0.0.tgz`
const bulk = (names: readonly string[]): Buffer =>
  gzipSync(JSON.stringify(Object.fromEntries(names.map((name) => [name, ['1.0.0']]))))
const names = packages.map(({ name }) => name)

async function audit(at: GatewayWorld, body: Buffer): Promise<number> {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const response = await fetch(at.url + BULK, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  })
  await response.arrayBuffer()
  return response.status
}

/** What an `npm install` has just done before it audits. */
async function resolve(at: GatewayWorld): Promise<void> {
  for (const { name } of packages) await at.get(`/${name}`)
}

const hinted = (at: GatewayWorld) => at.gateway.stats().hints

test('an audit goes upstream as it came, and alone makes nobody fetch anything', async () => {
  await using at = await world()
  at.upstream.otherwise = (request, res) => void res.end(request.body)
  await resolve(at)
  const body = bulk(names)
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const response = await fetch(at.url + BULK, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  })
  expect(Buffer.from(await response.arrayBuffer())).toEqual(body)
  await until(() => hinted(at).packages === 40)
  // A tarball that is not of the list is no reason either.
  at.upstream.add(makePackage('fx-else', '1.0.0'))
  await at.get('/fx-else/-/fx-else-1.0.0.tgz')
  expect(at.upstream.count(/fx-hint-.*tgz$/)).toBe(0)
})

test('the first tarballs of the list fetch others ahead, which the client then gets from the store', async () => {
  await using at = await world()
  await resolve(at)
  await audit(at, bulk(names))
  await until(() => hinted(at).packages === 40)
  at.upstream.forget()
  const sources: string[] = []
  for (let i = 39; i >= 0; i -= 1) {
    const got = await at.get(tarball(i))
    expect(got.body).toEqual(packages[i]?.tarball)
    sources.push(got.headers['x-catalog-source'] ?? '')
    await until(() => hinted(at).fetched >= Math.min(40 - i, i, 20), {
      what: `ahead after ${40 - i}`,
    })
  }
  expect(hinted(at)).toMatchObject({ fetched: 20, claimed: 20, failed: 0 })
  expect(sources.slice(0, 20)).toEqual(Array(20).fill('origin'))
  expect(sources.slice(20)).toEqual(Array(20).fill('store'))
  expect(at.upstream.count(/tgz$/)).toBe(40)
  expect(at.upstream.count(/^\/fx-hint-\d+$/)).toBe(0)
})

test('nothing is fetched ahead while tarballs come at once, and it begins when they do not', async () => {
  await using at = await world({ hintWaitMs: 250 })
  await resolve(at)
  await audit(at, bulk(names))
  await until(() => hinted(at).packages === 40)
  for (let i = 39; i > 29; i -= 1) await at.get(tarball(i))
  expect(hinted(at).fetched).toBe(0)
  for (let i = 29; hinted(at).fetched === 0; i -= 1) {
    expect(i).toBeGreaterThan(20)
    at.upstream.fault(new RegExp(tarball(i)), { kind: 'hold', until: sleep(700) }, 1)
    await at.get(tarball(i))
    await turn()
  }
})

test('never asks upstream for metadata, nor for what it has', async () => {
  await using at = await world()
  await at.get('/fx-hint-0')
  await at.get('/fx-hint-1')
  await at.get(tarball(1))
  await audit(at, bulk(names))
  await until(() => hinted(at).packages === 40)
  at.upstream.forget()
  const integrity = packages[39]?.integrity ?? ''
  await at.get(tarball(39), { 'pacote-integrity': integrity })
  await until(() => hinted(at).fetched === 1)
  expect(at.upstream.seen.map(({ url }) => url).sort()).toEqual([tarball(0), tarball(39)].sort())
})

test('leaves out what is private, or for another platform', async () => {
  const other = process.platform === 'win32' ? 'linux' : 'win32'
  const secret = makePackage('@corp/secret', '1.0.0')
  const foreign = makePackage(`fx-native-${other}-x64`, '1.0.0')
  const open = makePackage('fx-open', '1.0.0')
  await using at = await world({
    packages: [...packages, secret, foreign, open],
    privateScopes: ['@Corp'],
  })
  const list = [secret, foreign, open].map(({ name, version, integrity }) => ({
    ...{ name, version, integrity },
  }))
  const first = { name: 'fx-hint-0', version: '1.0.0' }
  const posted = await at.http
    .post('/-/catalog/hints')
    .set('x-catalog-client', 'test')
    .send({ packages: [first, ...list] })
  expect(posted.status).toBe(202)
  expect(posted.body).toEqual({ accepted: 4 })
  await at.get(tarball(0))
  await until(() => hinted(at).fetched === 1)
  const fetched = at.upstream.seen.map(({ url }) => url).filter((url) => url.endsWith('.tgz'))
  expect(fetched.sort()).toEqual([tarball(0), '/fx-open/-/fx-open-1.0.0.tgz'])
  expect(at.node.asked.map(({ digest }) => digest)).not.toContain(secret.integrity)
})

test('with credentials for the registry, scopes that nobody has shown to be public stay out', async () => {
  const scoped = makePackage('@corp/thing', '1.0.0')
  const known = makePackage('@open/thing', '1.0.0')
  await using at = await world({
    packages: [...packages, scoped, known],
    npmrc: { '//{host}/:_authToken': 'secret' },
  })
  await at.get('/fx-hint-0')
  const older = makePackage('@open/thing', '0.9.0')
  at.upstream.add(older)
  await at.get('/@open/thing/-/thing-0.9.0.tgz', { 'pacote-integrity': older.integrity })
  const list = [scoped, known].map(({ name, version, integrity }) => ({ name, version, integrity }))
  const first = { name: 'fx-hint-0', version: '1.0.0' }
  await at.http
    .post('/-/catalog/hints')
    .set('x-catalog-client', 'test')
    .send({ packages: [first, ...list] })
  await at.get(tarball(0))
  await until(() => hinted(at).fetched === 1)
  const asked = at.node.asked.map(({ digest }) => digest)
  expect(new Set(asked)).toEqual(
    new Set([packages[0]?.integrity, known.integrity, older.integrity]),
  )
})

test('a list is cut at its bound; with --no-hints there are none', async () => {
  await using at = await world({ maxHints: 5 })
  await audit(at, bulk(names))
  await until(() => hinted(at).lists === 1)
  expect(hinted(at).packages).toBe(5)
  await at.restart({ hints: false })
  const posted = await at.http
    .post('/-/catalog/hints')
    .set('x-catalog-client', 'test')
    .send({ packages: [{ name: 'fx-hint-0', version: '1.0.0' }] })
  expect(posted.body).toEqual({ accepted: 0 })
})

test.each([
  ['not gzip', Buffer.from('{"fx-hint-0":["1.0.0"]}')],
  ['a bomb', gzipSync(Buffer.alloc(64 * 1024 * 1024))],
  ['too long', Buffer.alloc(600 * 1024, 7)],
  ['no object', gzipSync('[1,2]')],
  ['no versions', gzipSync('{"fx-hint-0":{"a":1},"../x":["1.0.0"],"fx-hint-1":["latest",3]}')],
])('a body that makes no sense (%s) is passed on and gives no hints', async (_name, body) => {
  await using at = await world()
  at.upstream.otherwise = (request, res) => void res.writeHead(200).end(`${request.body.length}`)
  expect(await audit(at, body)).toBe(200)
  expect(at.upstream.seen.at(-1)?.body.length).toBe(body.length)
  // The next, good one is the first.
  await audit(at, bulk(['fx-hint-3']))
  await until(() => hinted(at).lists > 0)
  expect(hinted(at)).toMatchObject({ lists: 1, packages: 1 })
})

test('fails when upstream does, and costs the client nothing', async () => {
  await using at = await world({ upstreamRetries: 0 })
  await resolve(at)
  await audit(at, bulk(names))
  await until(() => hinted(at).packages === 40)
  at.upstream.fault(/fx-hint-[0-4]-/, { kind: 'status', status: 404 })
  const got = await at.get(tarball(39))
  expect(got.status).toBe(200)
  await until(() => hinted(at).fetched === 1)
  expect(hinted(at).failed).toBe(5)
  at.upstream.heal()
  expect((await at.get(tarball(0))).status).toBe(200)
})

test.each([
  [
    'text, as a form of a web page can send',
    { 'content-type': 'text/plain', 'x-catalog-client': 'x' },
    415,
  ],
  ['no header of its own', { 'content-type': 'application/json' }, 403],
  [
    'another web page',
    { 'content-type': 'application/json', 'x-catalog-client': 'x', origin: 'http://evil.example' },
    403,
  ],
  [
    'a rebound name',
    { 'content-type': 'application/json', 'x-catalog-client': 'x', host: 'evil.example' },
    403,
  ],
])('takes no hints from %s', async (_name, headers, status) => {
  await using at = await world()
  const sent = at.http.post('/-/catalog/hints').set(headers)
  expect((await sent.send(JSON.stringify({ packages: [] }))).status).toBe(status)
  expect(hinted(at).lists).toBe(0)
})

test('says what is wrong with a list', async () => {
  await using at = await world()
  const send = (body: object) =>
    at.http.post('/-/catalog/hints').set('x-catalog-client', 'test').send(body)
  const answer = await send({ packages: [{ name: '../etc', version: 'x' }] })
  expect(answer.status).toBe(400)
  expect(JSON.stringify(answer.body)).toContain('packages.0.name')
  expect((await at.http.get('/-/catalog/hints')).status).toBe(405)
})
