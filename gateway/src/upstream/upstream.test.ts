import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { startUpstream, type FaultyUpstream } from '../../../test/support/registries/upstream.ts'
import { createIdentify } from './credentials.ts'
import { createDispatcher } from './dispatcher.ts'
import { npmConfigFrom } from './npmrc.ts'
import { createUpstream, discard, readBody, type Upstream } from './upstream.ts'

let here: FaultyUpstream
let there: FaultyUpstream
let upstream: Upstream
const { signal } = new AbortController()
const limits = { maxBytes: 1e6, signal }

function client(
  options: { timeoutMs?: number; retries?: number } = {},
  config: Record<string, string> = {},
): Upstream {
  const dispatcher = createDispatcher(
    npmConfigFrom(config),
    {},
    {
      ...{ connectTimeoutMs: 2_000, maxSockets: 4 },
    },
  )
  return createUpstream(
    { dispatcher },
    { timeoutMs: 5_000, retries: 2, userAgent: 'test', ...options },
  )
}

beforeEach(async () => {
  here = await startUpstream([makePackage('fx-one', '1.0.0')])
  there = await startUpstream([makePackage('fx-one', '2.0.0')])
  upstream = client()
})
afterEach(async () => {
  await upstream.close()
  await here[Symbol.asyncDispose]()
  await there[Symbol.asyncDispose]()
})

const url = (path = 'fx-one', base = here) => new URL(path, base.url)

describe('HEAD', () => {
  const head = async (base: string, keepsConnection?: true): Promise<number> => {
    const asked = { url: new URL('fx-one', base), method: 'HEAD', retries: 0, signal } as const
    const response = await upstream.request({
      ...asked,
      ...(keepsConnection && { keepsConnection }),
    })
    discard(response)
    await once(response.body, 'close')
    return response.status
  }
  const get = async (base: string): Promise<string> => {
    const response = await upstream.request({ url: new URL('fx-one', base), signal })
    return (await readBody(response, limits)).toString()
  }

  test('leaves its connection to others that say so, and to nothing else', async () => {
    const ports = { HEAD: new Set<unknown>(), GET: new Set<unknown>() }
    const server = createServer(({ method, socket }, response) => {
      ports[method === 'HEAD' ? 'HEAD' : 'GET'].add(socket.remotePort)
      response.setHeader('content-length', 2).end('{}')
    })
    const base = await listen(server)
    for (let times = 0; times < 9; times += 1) {
      expect(await head(base, true)).toBe(200)
      expect(await get(base)).toBe('{}')
    }
    // One more where the next request comes before the connection is known to be free.
    expect(ports.HEAD.size).toBeLessThan(3)
    expect(ports.HEAD.intersection(ports.GET).size).toBe(0)
    server.close()
  })

  test.each([undefined, true] as const)(
    'whose answer has a body all the same is no answer to what is asked next: %s',
    async (keepsConnection) => {
      const answer = (body: string): string =>
        `HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      const server = createTcpServer((socket) => {
        socket
          .on('error', () => undefined)
          .on('data', (request) => {
            if (!request.toString().startsWith('HEAD')) return void socket.write(answer('good'))
            socket.write(answer('').replace('length: 0', 'length: 99'))
            // When the connection counts as free.
            setImmediate(() => setImmediate(() => socket.write(answer('evil'))))
          })
      })
      const base = await listen(server)
      const origin = new URL(base).origin
      for (let times = 0; times < 9; times += 1) {
        await head(base, keepsConnection).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
        })
        expect(upstream.isDown(origin)).toBe(false)
        expect(await get(base)).toBe('good')
      }
      server.close()
    },
  )
})

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('retries', () => {
  test.each([
    ['status', { kind: 'status', status: 503 }],
    ['reset', { kind: 'reset' }],
  ] as const)('a %s that passes', async (_name, fault) => {
    here.fault(/./, fault, 2)
    const response = await upstream.request({ url: url(), signal })
    expect(response.status).toBe(200)
    discard(response)
    expect(here.seen).toHaveLength(3)
  })

  test('are bounded, and the last answer counts', async () => {
    here.fault(/./, { kind: 'status', status: 500 })
    const response = await upstream.request({ url: url(), signal })
    discard(response)
    expect(response.status).toBe(500)
    expect(here.seen).toHaveLength(3)
    here.fault(/./, { kind: 'reset' })
    await expect(upstream.request({ url: url(), signal })).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    })
  })

  test.each(['POST', 'PUT', 'DELETE'])('never for %s', async (method) => {
    here.fault(/./, { kind: 'status', status: 503 })
    const response = await upstream.request({ url: url(), method, signal })
    discard(response)
    expect(here.seen).toHaveLength(1)
  })

  test('not for what upstream refuses', async () => {
    const response = await upstream.request({ url: url('fx-none'), signal })
    discard(response)
    expect(response.status).toBe(404)
    expect(here.seen).toHaveLength(1)
  })

  test('end with the request', async () => {
    here.fault(/./, { kind: 'reset' })
    const gone = new AbortController()
    const asked = client({ retries: 10 }).request({ url: url(), signal: gone.signal })
    const settled = expect(asked).rejects.toThrow('gone')
    await expect.poll(() => here.seen.length).toBeGreaterThan(1)
    gone.abort(new Error('gone'))
    await settled
  })
})

test('a request that fails before it is sent leaves the registry free for the next one', async () => {
  here.fault(/./, { kind: 'status', status: 429, headers: { 'retry-after': '0' } }, 1)
  const asked = { url: url(), signal, retries: 0 }
  discard(await upstream.request(asked))
  const credentialsFor = (): never => {
    throw new CatalogError('INVALID_OPTIONS', 'no settings')
  }
  await expect(upstream.request({ ...asked, credentialsFor })).rejects.toThrow('no settings')
  const response = await upstream.request(asked)
  discard(response)
  expect(response.status).toBe(200)
})

describe('redirects', () => {
  const credentials = createIdentify()('Bearer here')
  const onlyHere = (to: URL) => (to.origin === new URL(here.url).origin ? credentials : undefined)

  test('are followed, and credentials stay where they belong', async () => {
    here.fault(/fx-one/, { kind: 'redirect', to: `${there.url}fx-one` })
    const response = await upstream.request({ url: url(), signal, credentialsFor: onlyHere })
    expect((await readBody(response, limits)).toString()).toContain('2.0.0')
    expect(response.withCredentials).toBe(true)
    expect(here.seen[0]?.headers.authorization).toBe('Bearer here')
    expect(there.seen[0]?.headers.authorization).toBeUndefined()
  })

  test('keep them on the way within their place', async () => {
    here.fault(/^\/moved/, { kind: 'redirect', to: '/fx-one', status: 308 })
    const response = await upstream.request({ url: url('moved'), signal, credentialsFor: onlyHere })
    discard(response)
    expect(response.withCredentials).toBe(true)
    expect(here.seen[1]?.headers.authorization).toBe('Bearer here')
  })

  test.each([
    ['to themselves', '/fx-one', 'too many'],
    ['to a file', 'file:///etc/hosts', 'redirects to file:'],
    ['to nothing', 'http://[', 'no URL'],
  ])('%s are refused', async (_what, to, message) => {
    here.fault(/./, { kind: 'redirect', to })
    await expect(upstream.request({ url: url(), signal })).rejects.toThrow(message)
  })
})

describe('waiting', () => {
  test('for headers has an end', async () => {
    const gate = Promise.withResolvers<void>()
    here.fault(/./, { kind: 'hold', until: gate.promise })
    const hasty = client({ timeoutMs: 50, retries: 0 })
    await expect(hasty.request({ url: url(), signal })).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
    })
    gate.resolve()
    await hasty.close()
  })

  test('in a hurry ends sooner, is not tried again, and shows nothing of upstream', async () => {
    const gate = Promise.withResolvers<void>()
    here.fault(/./, { kind: 'hold', until: gate.promise })
    const patient = client({ timeoutMs: 300_000, retries: 3 })
    const hasty = patient.request({ url: url(), signal, timeoutMs: 50 })
    await expect(hasty).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
    expect(here.seen).toHaveLength(1)
    expect(patient.isDown(url().origin)).toBe(false)
    gate.resolve()
    await patient.close()
  })

  test('for an upstream just found dead is known beforehand', async () => {
    const { origin } = url()
    expect(upstream.isDown(origin)).toBe(false)
    await here.stop()
    await expect(upstream.request({ url: url(), signal, retries: 0 })).rejects.toThrow(origin)
    expect(upstream.isDown(origin)).toBe(true)
    expect(upstream.isDown(url('', there).origin)).toBe(false)
    await here.restart()
    discard(await upstream.request({ url: url(), signal }))
    expect(upstream.isDown(origin)).toBe(false)
  })

  test('is not silent when it has answered since, or has asked to be left alone', async () => {
    const { origin } = url()
    const begunMs = performance.now()
    expect(upstream.isSilent(origin, begunMs)).toBe(true)
    discard(await upstream.request({ url: url(), signal }))
    expect(upstream.isSilent(origin, begunMs)).toBe(false)
    const laterMs = performance.now()
    expect(upstream.isSilent(origin, laterMs)).toBe(true)
    here.fault(/./, { kind: 'status', status: 429, headers: { 'retry-after': '60' } })
    discard(await upstream.request({ url: url(), signal, retries: 0 }))
    expect(upstream.isSilent(origin, performance.now())).toBe(false)
  })
})

describe('a body', () => {
  test.each([
    ['that says so', true],
    ['that does not', false],
  ])('that is too long, %s, is refused', async (_what, declared) => {
    here.otherwise = (_request, res) => {
      res.writeHead(200, declared ? { 'content-length': 2_000_000 } : {})
      res.end(Buffer.alloc(2_000_000))
    }
    const response = await upstream.request({ url: url('other'), signal })
    await expect(readBody(response, limits)).rejects.toMatchObject({ code: 'UPSTREAM_REJECTED' })
  })

  test('that breaks off is a failure of upstream', async () => {
    here.fault(/tgz/, { kind: 'truncate', bytes: 5 })
    const response = await upstream.request({ url: url('fx-one/-/fx-one-1.0.0.tgz'), signal })
    await expect(readBody(response, limits)).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
  })

  test('that trickles without end is given up, though it is never silent', async () => {
    const gone = Promise.withResolvers<void>()
    here.otherwise = (_request, res) => {
      res.writeHead(200)
      const timer = setInterval(() => res.write('x'), 10)
      res.once('close', () => {
        clearInterval(timer)
        gone.resolve()
      })
    }
    const impatient = client({ timeoutMs: 200 })
    const response = await impatient.request({ url: url('other'), signal })
    const reading = readBody(response, limits)
    await expect(reading).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      message: expect.stringContaining('bytes came in 200 ms') as string,
    })
    await gone.promise
    await impatient.close()
  })
})

describe("npm's settings", () => {
  test('a proxy is used, but not for what noproxy names', async () => {
    const asked: string[] = []
    const proxy = createServer((req, res) => {
      asked.push(req.url ?? '')
      const { pathname } = new URL(req.url ?? '', here.url)
      httpRequest(new URL(pathname, here.url), (answer) => answer.pipe(res)).end()
    })
    proxy.on('connect', (req: IncomingMessage, socket: NodeJS.WritableStream) => {
      asked.push(req.url ?? '')
      const [host = '', port] = (req.url ?? '').split(':')
      const onward = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket)
      })
      ;(socket as unknown as NodeJS.ReadableStream).pipe(onward)
      onward.on('error', () => undefined)
      socket.on('error', () => undefined)
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const config = { proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
    const through = client({}, config)
    discard(await through.request({ url: url(), signal }))
    expect(asked).toHaveLength(1)
    const around = client({}, { ...config, noproxy: '127.0.0.1' })
    discard(await around.request({ url: url(), signal }))
    expect(asked).toHaveLength(1)
    await through.close()
    await around.close()
    proxy.close()
    proxy.closeAllConnections()
  })

  test.each(['127.0.0.1:7890', 'proxy.corp:8080', 'proxy', 'me:hunter2@proxy.corp:8080'])(
    'the proxy %j is one by http',
    async (proxy) => {
      const options = { connectTimeoutMs: 1, maxSockets: 1 }
      await createDispatcher(npmConfigFrom({}), { HTTP_PROXY: proxy }, options).destroy()
    },
  )

  test.each(['http://', 'ftp://proxy.corp', 'proxy.corp:port'])(
    'the proxy %j is an error with a next step',
    (proxy) => {
      const options = { connectTimeoutMs: 1, maxSockets: 1 }
      const make = (): unknown =>
        createDispatcher(npmConfigFrom({}), { HTTPS_PROXY: proxy }, options)
      expect(make).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTIONS',
          hint: expect.stringContaining('http://'),
        }),
      )
    },
  )

  test('a cafile that cannot be read is an error with a next step', () => {
    const config = npmConfigFrom({ cafile: './no/such/file.pem' })
    const options = { connectTimeoutMs: 1_000, maxSockets: 1 }
    expect(() => createDispatcher(config, {}, options)).toThrow(/cafile cannot be read/)
  })
})
