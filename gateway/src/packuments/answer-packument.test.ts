import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { acceptsGzip, kindFor } from './answer-packument.ts'

const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-one', '1.1.0')
const scoped = makePackage('@fx/scoped', '2.0.0', { scripts: { postinstall: 'x' } })
const publicBase = DEFAULT_REGISTRY.slice(0, -1)
const CORGI = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'
const NPM = 'npm/11.21.2 node/v20.20.2 linux x64 workspaces/false'

interface Doc {
  name: string
  modified?: string
  time?: Record<string, string>
  readme?: string
  'dist-tags': Record<string, string>
  versions: Record<string, { dist: { tarball?: string }; hasInstallScript?: boolean }>
}

let world: GatewayWorld
async function start(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  await world?.[Symbol.asyncDispose]()
  world = await gatewayWorld({
    packages: [one, two, scoped],
    registry: { tarballBase: publicBase },
    ...options,
  })
}
beforeEach(() => start())
afterEach(() => world[Symbol.asyncDispose]())

async function doc(path: string, headers: Record<string, string> = {}): Promise<Doc> {
  const { body } = await world.http.get(path).set(headers)
  return body as Doc
}

describe('a packument', () => {
  test.each(['/@fx/scoped', '/@fx%2fscoped', '/@fx%2Fscoped'])('is found as %s', async (path) => {
    expect((await doc(path)).name).toBe('@fx/scoped')
    expect(world.upstream.seen[0]?.url).toBe('/@fx%2fscoped')
  })

  test('is whole for who does not ask for the short form', async () => {
    const full = await doc('/fx-one', { accept: 'application/json' })
    expect(full).toMatchObject({ readme: 'x', 'dist-tags': { latest: '1.1.0' } })
    expect(full.time?.['1.0.0']).toBeDefined()
    expect(world.upstream.seen[0]?.headers.accept).toBe('application/json')
  })

  test('is left alone for our Yarn plugin, byte for byte', async () => {
    await start({ registry: { tarballBase: 'https://cdn.invalid/files' } })
    const agent = { 'user-agent': 'catalog-yarn-plugin/0.1.0' }
    const { body } = await world.get('/fx-one', agent)
    expect(body.toString()).toBe(JSON.stringify(world.upstream.document('fx-one')))
  })

  test('is short for who does, with its modified time', async () => {
    const short = await world.http.get('/fx-one').set('accept', CORGI)
    expect(short.headers['content-type']).toBe('application/vnd.npm.install-v1+json')
    expect((short.body as Doc).modified).toBe('2026-01-02T03:04:05.000Z')
    expect((short.body as Doc).readme).toBeUndefined()
    expect(world.upstream.seen[0]?.headers.accept).toContain('vnd.npm.install-v1')
  })

  test('answers HEAD with everything but the body', async () => {
    const full = await world.http.get('/fx-one')
    const got = await world.http.head('/fx-one').set('accept-encoding', 'gzip')
    expect(got.status).toBe(200)
    for (const name of ['etag', 'last-modified', 'content-length', 'content-type']) {
      expect(got.headers[name]).toBe(full.headers[name])
    }
    expect(got.headers['last-modified']).toBe('Fri, 02 Jan 2026 03:04:05 GMT')
    // An old one is confirmed as for GET, with all the patience and the other sources that this has.
    await world.http.head('/fx-one').set('cache-control', 'no-cache')
    expect(world.upstream.seen.map(({ method }) => method)).toEqual(['GET', 'GET'])
  })

  test('that is not at hand answers HEAD with what upstream says, and is not fetched for it', async () => {
    const got = await world.http.head('/fx-one')
    expect(got.status).toBe(200)
    expect(got.headers).toMatchObject({
      'content-type': expect.stringContaining('application/json') as unknown,
      'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
    })
    expect(got.headers.etag).toBeUndefined()
    expect((await world.http.head('/fx-none')).status).toBe(404)
    const seen = world.upstream.seen.map(({ method, url }) => `${method} ${url}`)
    expect(seen).toEqual(['HEAD /fx-one', 'HEAD /fx-none', 'GET /fx-none'])
  })

  test('that upstream does not know is 404 in its own words', async () => {
    const got = await world.http.get('/fx-none')
    expect(got.status).toBe(404)
    expect(got.body).toEqual({ error: 'Not found', code: 'UPSTREAM_REJECTED' })
  })
})

describe('encoding', () => {
  test('is gzip for who takes it, plain for who does not', async () => {
    const packed = await rawGet('/fx-one', { 'accept-encoding': 'gzip, deflate, br' })
    expect(packed.headers['content-encoding']).toBe('gzip')
    const plain = await rawGet('/fx-one', {})
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true)
    expect(plain.headers['content-length']).toBe(String(plain.body.length))
    expect(packed.headers['content-length']).toBe(String(packed.body.length))
    // One document, so one validator: who has it in one coding need not get it in the other.
    expect(packed.headers.etag).toBe(plain.headers.etag)
    expect(packed.headers.etag).toMatch(/^W\//)
    const validator = { 'if-none-match': String(packed.headers.etag) }
    for (const coding of ['gzip', 'identity']) {
      const again = { ...validator, 'accept-encoding': coding }
      expect((await world.get('/fx-one', again)).status).toBe(304)
    }
  })

  test('is right though upstream sends gzip in two members', async () => {
    const text = Buffer.from(JSON.stringify(world.upstream.document('fx-one')))
    const body = Buffer.concat([gzipSync(text.subarray(0, 50)), gzipSync(text.subarray(50))])
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(200, { 'content-encoding': 'gzip' }).end(body)
    const plain = await rawGet('/fx-two', { 'user-agent': 'catalog-yarn-plugin/0.1.0' })
    expect(plain.body.equals(text)).toBe(true)
    expect(plain.headers['content-length']).toBe(String(text.length))
  })

  test('Accept and Accept-Encoding are read as they are meant', () => {
    expect(kindFor(undefined)).toBe('full')
    expect(kindFor('*/*')).toBe('full')
    expect(kindFor('application/json;')).toBe('full')
    expect(kindFor(CORGI)).toBe('abbreviated')
    expect(kindFor('application/vnd.npm.install-v1+json; q=0, */*')).toBe('full')
    expect(acceptsGzip('gzip;q=0, br')).toBe(false)
    expect(acceptsGzip('*')).toBe(true)
    expect(acceptsGzip('br, gzip;q=0.5')).toBe(true)
    expect(acceptsGzip(undefined)).toBe(false)
  })
})

describe('tarball URLs', () => {
  const cases = [
    ['npm', NPM, `${publicBase}/fx-one/-/fx-one-1.0.0.tgz`],
    ['Deno', 'Deno/2.9.6', `${publicBase}/fx-one/-/fx-one-1.0.0.tgz`],
    ['pnpm', 'pnpm/12.21.0 npm/? node/? linux x64', 'self'],
    ['Yarn 1', 'yarn/1.22.22 npm/? node/v20.20.2 linux x64', 'self'],
    ['Yarn 4', 'got (https://github.com/sindresorhus/got)', 'self'],
    ['Verdaccio', 'npm (hidden)', 'self'],
    ['Bun', 'Bun/1.4.5', undefined],
    ['who knows', 'curl/8', 'self'],
  ] as const

  test.each(cases)('for %s are what its lockfile wants', async (_name, agent, expected) => {
    const self = `${world.url}/fx-one/-/fx-one-1.0.0.tgz`
    const { versions } = await doc('/fx-one', { 'user-agent': agent })
    expect(versions['1.0.0']?.dist.tarball).toBe(expected === 'self' ? self : expected)
  })

  test('name the gateway as the client spells it', async () => {
    const local = world.url.replace('127.0.0.1', 'localhost')
    const { versions } = await doc('/@fx/scoped', { host: local.slice('http://'.length) })
    expect(versions['2.0.0']?.dist.tarball).toBe(`${local}/@fx/scoped/-/scoped-2.0.0.tgz`)
  })

  test('on a host that npm would not redirect to us are ours for npm, too', async () => {
    await start({ registry: {} })
    const { versions } = await doc('/fx-one', { 'user-agent': NPM })
    expect(versions['1.0.0']?.dist.tarball).toBe(`${world.url}/fx-one/-/fx-one-1.0.0.tgz`)
  })

  test.each([
    ['of its own', {}],
    ['of the public registry, as a mirror keeps them', { tarballBase: publicBase }],
  ])('%s lead to the tarball at upstream', async (_whose, registry) => {
    await start({ registry })
    const { versions } = await doc('/@fx/scoped')
    const path = new URL(versions['2.0.0']?.dist.tarball ?? '').pathname
    expect((await world.get(path)).body.equals(scoped.tarball)).toBe(true)
  })
})

describe('revalidation', () => {
  test('a matching If-None-Match is 304, in every variant of its own', async () => {
    const seen = new Set<string>()
    for (const agent of [NPM, 'pnpm/12.21.0', 'Bun/1.4.5']) {
      for (const accept of ['application/json', CORGI]) {
        const headers = { 'user-agent': agent, accept }
        const first = await world.http.get('/fx-one').set(headers)
        const etag = String(first.headers.etag)
        seen.add(etag)
        const again = await world.http.get('/fx-one').set({ ...headers, 'if-none-match': etag })
        expect(again.status).toBe(304)
        expect(again.headers.etag).toBe(etag)
      }
    }
    expect(seen.size).toBe(6)
  })

  test("another client's ETag is not a match", async () => {
    const first = await world.http.get('/fx-one').set('user-agent', NPM)
    const etag = String(first.headers.etag)
    const other = await world.http
      .get('/fx-one')
      .set({ 'user-agent': 'pnpm/12.21.0', 'if-none-match': etag })
    expect(other.status).toBe(200)
  })

  test('upstream is not asked while the document is young', async () => {
    const first = await world.http.get('/fx-one')
    await doc('/fx-one')
    expect(world.upstream.count(/fx-one/)).toBe(1)
    expect(first.headers['cache-control']).toMatch(/^public, max-age=(300|29\d)$/)
    expect(first.headers.vary).toBe('Accept, Accept-Encoding, User-Agent, Host')
  })

  test('upstream is asked with its own ETag afterwards, and a 304 costs no work', async () => {
    await start({ maxAgeMs: 0 })
    const first = await world.http.get('/fx-one')
    const again = await world.http.get('/fx-one')
    expect(world.upstream.seen[1]?.headers['if-none-match']).toMatch(/^W\//)
    expect(again.headers.etag).toBe(first.headers.etag)
    expect(again.headers['cache-control']).toBe('public, no-cache')
    expect(world.gateway.stats().packuments).toEqual({ fresh: 0, fetched: 2, stale: 0 })
  })

  test('what upstream changed is seen', async () => {
    await start({ maxAgeMs: 0 })
    await doc('/fx-one')
    world.upstream.add(makePackage('fx-one', '3.0.0'))
    const changed = await doc('/fx-one')
    expect(changed['dist-tags'].latest).toBe('3.0.0')
    expect(changed.versions['3.0.0']).toBeDefined()
  })

  test('a hundred clients at once cost one request', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise }, 1)
    const all = Array.from({ length: 100 }, () => world.get('/fx-one'))
    await expect.poll(() => world.gateway.stats().activeRequests).toBe(100)
    gate.resolve()
    const answers = await Promise.all(all)
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(1)
    expect(world.upstream.count(/fx-one/)).toBe(1)
  })
})

describe('when upstream fails', () => {
  const failures = [
    ['is gone', () => world.upstream.stop()],
    ['answers 500', () => world.upstream.fault(/./, { kind: 'status', status: 500 })],
    ['cuts the connection', () => world.upstream.fault(/./, { kind: 'reset' })],
    ['sends junk', () => world.upstream.fault(/./, { kind: 'body', body: '<html>' })],
    [
      'sends other JSON',
      () => world.upstream.fault(/./, { kind: 'body', body: '{"versions":[]}' }),
    ],
  ] as const

  test.each(failures)('because it %s, the old document is served', async (_what, fail) => {
    await start({ maxAgeMs: 0 })
    const before = await world.http.get('/fx-one')
    world.upstream.document('fx-one')['dist-tags'].next = '1.0.0'
    await fail()
    const after = await world.http.get('/fx-one')
    expect(after.status).toBe(200)
    expect(after.body).toEqual(before.body)
    expect(after.headers['cache-control']).toBe('no-cache')
    expect(world.gateway.stats().packuments.stale).toBe(1)
    expect(world.logged.some((line) => line.startsWith('warn packument.stale'))).toBe(true)
  })

  test.each(failures)('because it %s and nothing is known, it is an error', async (what, fail) => {
    await fail()
    const got = await world.http.get('/fx-one')
    // What would be the same if it were asked again is no 5xx: clients try those for a minute.
    const lasts = what.startsWith('sends')
    expect(got.status).toBe(lasts ? 422 : 502)
    expect(got.body.code).toBe(lasts ? 'UPSTREAM_REJECTED' : 'UPSTREAM_UNREACHABLE')
  })

  test('a failure that passes is tried again', async () => {
    world.upstream.fault(/./, { kind: 'status', status: 503 }, 1)
    expect((await doc('/fx-one')).name).toBe('fx-one')
  })

  test('a silent one is not waited for when an old document is at hand', async () => {
    await start({ maxAgeMs: 0, staleAfterMs: 50 })
    const before = await world.http.get('/fx-one')
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise })
    world.upstream.add(makePackage('fx-one', '3.0.0'))
    const after = await world.http.get('/fx-one')
    expect(after.body).toEqual(before.body)
    gate.resolve()
    await expect.poll(async () => (await doc('/fx-one'))['dist-tags'].latest).toBe('3.0.0')
    expect(world.upstream.count(/fx-one/)).toBeLessThan(5)
  })

  test('the short form is made of the full one', async () => {
    await doc('/@fx/scoped', { accept: 'application/json' })
    await world.upstream.stop()
    const got = await world.http.get('/@fx/scoped').set('accept', CORGI)
    const short = got.body as Doc
    expect(got.headers['content-type']).toBe('application/vnd.npm.install-v1+json')
    expect(short.modified).toBe('2026-01-02T03:04:05.000Z')
    expect(short.readme).toBeUndefined()
    expect(short.versions['2.0.0']).toMatchObject({
      hasInstallScript: true,
      dist: { tarball: `${world.url}/@fx/scoped/-/scoped-2.0.0.tgz` },
    })
    expect(short.versions['2.0.0']).not.toHaveProperty('scripts')
  })

  test('the short form stands in for the full one', async () => {
    await world.http.get('/fx-one').set('accept', CORGI)
    await world.upstream.stop()
    expect((await doc('/fx-one', { accept: 'application/json' })).name).toBe('fx-one')
  })
})

describe('the cache', () => {
  test('outlives the process, rewritten forms included', async () => {
    const before = await world.http.get('/fx-one')
    const host = world.host
    await world.restart({ upstream: null })
    const after = await world.http.get('/fx-one').set('host', host)
    expect(after.status).toBe(200)
    expect(after.headers.etag).toBe(before.headers.etag)
    expect(after.body).toEqual(before.body)
  })

  test('that is too small for a document still serves it', async () => {
    await start({ metadataMemoryBytes: 0, metadataQuotaBytes: 0 })
    expect((await doc('/fx-one')).name).toBe('fx-one')
    expect((await doc('/@fx/scoped')).name).toBe('@fx/scoped')
  })

  test('knows nothing: a clear 404 without upstream', async () => {
    await world.restart({ upstream: null })
    const got = await world.http.get('/fx-one')
    expect(got.status).toBe(404)
    expect(got.body.error).toContain('no upstream')
  })
})

async function rawGet(path: string, headers: Record<string, string>) {
  const { request } = await import('undici')
  const response = await request(world.url + path, { headers })
  return { headers: response.headers, body: Buffer.from(await response.body.arrayBuffer()) }
}
