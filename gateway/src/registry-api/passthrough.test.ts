import { request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { startUpstream, type FaultyUpstream } from '../../../test/support/registries/upstream.ts'

let world: GatewayWorld
async function start(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  world = await gatewayWorld({ packages: [makePackage('fx-one', '1.0.0')], ...options })
}
beforeEach(() => start())
afterEach(() => world[Symbol.asyncDispose]())

describe('what the gateway does not know', () => {
  const calls = [
    ['GET', '/-/v1/search?text=fx&size=20'],
    ['POST', '/-/npm/v1/security/advisories/bulk'],
    ['POST', '/-/npm/v1/security/audits/quick'],
    ['GET', '/-/npm/v1/attestations/fx-one@1.0.0'],
    ['PUT', '/fx-one'],
    ['GET', '/fx-one?write=true'],
    ['GET', '/fx-one/1.0.1'],
    ['DELETE', '/fx-one/-rev/3-abc'],
    ['PUT', '/-/package/fx-one/dist-tags/next'],
    ['POST', '/-/v1/login'],
    ['GET', '/-/whoami'],
    ['GET', '/'],
  ] as const

  test.each(calls)('%s %s goes to upstream as it is', async (method, url) => {
    const body = method === 'GET' ? undefined : gzipSync('{"fx-one":["1.0.0"]}')
    world.upstream.otherwise = (request, res) => {
      res.writeHead(202, { 'content-type': 'application/json', 'npm-notice': 'yes', etag: '"7"' })
      res.end(JSON.stringify({ length: request.body.length }))
    }
    const response = await fetch(world.url + url, {
      method,
      headers: {
        ...{ 'npm-command': 'audit', 'npm-otp': '123456', authorization: 'Bearer mine' },
        ...(body && { 'content-encoding': 'gzip', 'content-type': 'application/json' }),
      },
      ...(body && { body: new Uint8Array(body) }),
    })
    expect(response.status).toBe(202)
    expect(response.headers.get('npm-notice')).toBe('yes')
    expect(response.headers.get('etag')).toBe('"7"')
    expect(await response.json()).toEqual({ length: body?.length ?? 0 })
    const seen = world.upstream.seen[0]
    expect(seen).toMatchObject({ method, url })
    expect(seen?.headers).toMatchObject({ 'npm-otp': '123456', authorization: 'Bearer mine' })
    expect(body === undefined || seen?.body.equals(body)).toBe(true)
  })

  test("keeps upstream's refusals and redirects", async () => {
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(302, { location: 'https://elsewhere.invalid/' }).end('{"error":"no"}')
    const got = await world.http.get('/-/whoami').redirects(0)
    expect(got.status).toBe(302)
    expect(got.headers.location).toBe('https://elsewhere.invalid/')
  })

  test.each([
    ['HEAD', 1],
    ['GET', 2],
  ])('%s is asked %d times of an upstream that is not there', async (method, times) => {
    world.upstream.fault(/whoami/, { kind: 'reset' }, Infinity)
    const response = await fetch(`${world.url}/-/whoami`, { method })
    expect(response.status).toBe(502)
    expect(world.upstream.count(/whoami/)).toBe(times)
  })

  test('loses what belongs to this hop or to a browser', async () => {
    world.upstream.otherwise = (_request, res) => {
      res.writeHead(200, { 'set-cookie': 'a=b', 'access-control-allow-origin': '*' }).end('{}')
    }
    const got = await world.http
      .get('/-/whoami')
      .set({ cookie: 'session=1', 'x-catalog-token': 'secret', connection: 'x-mine, close' })
      .set('x-mine', '1')
    const seen = world.upstream.seen[0]?.headers ?? {}
    for (const name of ['cookie', 'x-catalog-token', 'x-mine']) expect(seen[name]).toBeUndefined()
    expect(seen.host).toBe(new URL(world.upstream.url).host)
    expect(got.headers['set-cookie']).toBeUndefined()
    expect(got.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('a publish makes what is known of the package old', async () => {
    await world.http.get('/fx-one')
    world.upstream.otherwise = (_request, res) => void res.writeHead(201).end('{}')
    world.upstream.add(makePackage('fx-one', '2.0.0'))
    await world.http.put('/fx-one').send({ name: 'fx-one' })
    const { body } = await world.http.get('/fx-one')
    expect((body as { versions: object }).versions).toHaveProperty(['2.0.0'])
  })
})

describe('bodies', () => {
  test('that say they are too long are refused before upstream hears of it', async () => {
    await world[Symbol.asyncDispose]()
    await start({ maxUploadBytes: 1000 })
    const got = await world.http.put('/fx-one').send('x'.repeat(2000))
    expect(got.status).toBe(413)
    expect(world.upstream.seen).toEqual([])
  })

  test('that turn out too long are cut off', async () => {
    await world[Symbol.asyncDispose]()
    await start({ maxUploadBytes: 1000 })
    const answer = Promise.withResolvers<number>()
    const request = httpRequest(`${world.url}/fx-one`, { method: 'PUT' }, (response) => {
      answer.resolve(response.statusCode ?? 0)
      response.resume()
    })
    request.on('error', () => answer.resolve(0)) // cut while still sending: also an answer
    request.flushHeaders()
    for (let i = 0; i < 10; i += 1) request.write('x'.repeat(1000))
    request.end()
    expect([0, 413]).toContain(await answer.promise)
    expect(world.upstream.seen.filter(({ body }) => body.length > 1000)).toEqual([])
  })
})

describe('a scope with a registry of its own', () => {
  let corp: FaultyUpstream
  beforeEach(async () => {
    corp = await startUpstream([makePackage('@corp/lib', '1.0.0')], { prefix: '/npm/' })
    await world[Symbol.asyncDispose]()
    await start({ npmrc: { '@corp:registry': corp.url } })
  })
  afterEach(() => corp[Symbol.asyncDispose]())

  test('gets its packages, calls and credentials there, and nowhere else', async () => {
    corp.otherwise = (_request, res) => void res.writeHead(200).end('{}')
    const auth = { authorization: 'Bearer corp' }
    const names = ['/@corp%2flib', '/-/package/@corp%2flib/dist-tags']
    for (const path of names) expect((await world.http.get(path).set(auth)).status).toBe(200)
    await world.http.put('/@corp%2flib').set(auth).send({})
    await world.http.get('/-/npm/v1/attestations/@corp%2flib@1.0.0').set(auth)
    await world.http.post('/-/stage/package/@corp%2flib').set(auth).send({})
    await world.http.post('/-/npm/v1/oidc/token/exchange/package/@corp%2flib').set(auth)
    await world.http.get('/-/team/corp/developers/user').set(auth)
    await world.http.get('/-/org/corp/team').set(auth)
    const tarball = await world.get('/@corp/lib/-/lib-1.0.0.tgz', auth)
    expect(tarball.status).toBe(200)
    expect(world.upstream.seen).toEqual([])
    expect(corp.seen.every(({ url }) => url.startsWith('/npm/'))).toBe(true)
  })

  test('hears its own path only once, where a client takes it out of a URL', async () => {
    corp.otherwise = (_request, res) => void res.writeHead(200).end('{}')
    const calls = [
      ['DELETE', '/@corp%2flib/-/lib-1.0.0.tgz/-rev/7'],
      ['DELETE', '/npm/@corp/lib/-/lib-1.0.0.tgz/-rev/7'],
      ['GET', '/npm/-/npm/v1/attestations/@corp%2flib@1.0.0'],
    ] as const
    for (const [method, path] of calls) {
      expect((await fetch(world.url + path, { method })).status).toBe(200)
    }
    expect(corp.seen.map(({ url }) => url)).toEqual([
      '/npm/@corp%2flib/-/lib-1.0.0.tgz/-rev/7',
      '/npm/@corp/lib/-/lib-1.0.0.tgz/-rev/7',
      '/npm/-/npm/v1/attestations/@corp%2flib@1.0.0',
    ])
    expect(world.upstream.seen).toEqual([])
  })
})

describe('when upstream is down', () => {
  beforeEach(() => world.upstream.stop())

  test('ping is answered here', async () => {
    const got = await world.http.get('/-/ping')
    expect(got.status).toBe(200)
    expect(got.body).toEqual({})
  })

  test('an audit fails honestly, in the shape npm reads', async () => {
    const got = await world.http.post('/-/npm/v1/security/advisories/bulk').send({})
    expect(got.status).toBe(502)
    expect(got.body.error).toContain('cannot be reached')
  })

  test('who reads is not kept waiting for it again', async () => {
    await world.http.get('/-/v1/search?text=x')
    await world.upstream.restart()
    const got = await world.http.post('/-/npm/v1/security/advisories/bulk').send({})
    expect(got.status).toBe(502)
    expect(world.upstream.seen).toEqual([])
    // Who changes something is worth another try.
    world.upstream.otherwise = (_request, res) => void res.writeHead(201).end('{}')
    expect((await world.http.put('/fx-one').send({})).status).toBe(201)
  })

  test('dist-tags come from the metadata at hand', async () => {
    await world.upstream.restart()
    await world.http.get('/fx-one')
    await world.upstream.stop()
    const got = await world.http.get('/-/package/fx-one/dist-tags')
    expect(got.body).toEqual({ latest: '1.0.0' })
    expect((await world.http.get('/-/package/fx-none/dist-tags')).status).toBe(502)
  })
})

describe('with peers only', () => {
  beforeEach(() => world.restart({ upstream: null }))

  test.each([
    ['get', '/-/pnpr', 404],
    ['get', '/-/whoami', 404],
    ['get', '/-/npm/v1/tokens', 404],
    ['get', '/-/package/fx-one/collaborators', 404],
    // npm install says nothing, npm audit that the endpoint failed; an empty report would be a lie.
    ['post', '/-/npm/v1/security/advisories/bulk', 404],
    // To npm's libraries a 404 here says that it is unpublished already.
    ['get', '/fx-one?write=true', 405],
    ['put', '/fx-one', 405],
    ['delete', '/fx-one/-rev/1', 405],
    ['put', '/-/package/fx-one/dist-tags/next', 405],
    ['put', '/-/user/org.couchdb.user:me', 405],
    // At a 4xx npm goes on to ask for a password.
    ['post', '/-/v1/login', 503],
  ] as const)('%s %s says that there is no upstream: %i', async (method, url, status) => {
    const got = await world.http[method](url).send(method === 'get' ? undefined : {})
    expect(got.status).toBe(status)
    expect(got.body.error).toContain('no upstream')
    expect(got.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined)
  })

  test('ping is answered here', async () => {
    expect((await world.http.get('/-/ping')).status).toBe(200)
  })
})

describe('safety', () => {
  test('a request that comes back to us is refused', async () => {
    let via: string | undefined
    world.upstream.otherwise = (request, res) => {
      via = request.headers.via
      res.end('{}')
    }
    await world.http.get('/-/whoami')
    const got = await world.http.get('/-/whoami').set('via', via ?? '')
    expect(got.status).toBe(508)
  })

  test.each(['/-/..%2f..%2fadmin', '/fx-one/%2e%2e/%2e%2e/x', '/-/%5c..%5cx'])(
    '%s does not climb out of the registry',
    async (url) => {
      const answer = Promise.withResolvers<number>()
      httpRequest(world.url, { path: url }, (response) => {
        response.resume()
        answer.resolve(response.statusCode ?? 0)
      }).end()
      expect(await answer.promise).toBe(404)
      expect(world.upstream.seen).toEqual([])
    },
  )
})
