import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import express from 'express'
import supertest from 'supertest'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { createGateway } from '../gateway.ts'
import { createHostCheck } from './host-check.ts'
import { npmConfigFrom } from '../upstream/npmrc.ts'

const one = makePackage('fx-one', '1.0.0')
let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one] })
})
afterEach(() => world[Symbol.asyncDispose]())

async function say(text: string): Promise<string> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

describe('listening', () => {
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const deps = { node: createFakeNode(), log, npmConfig: npmConfigFrom({}) }

  test('on both loopback addresses with one port, where there are two', async () => {
    const gateway = createGateway(deps, { port: 0, upstream: null })
    const { port, urls } = await gateway.start()
    expect(urls[0]).toBe(`http://127.0.0.1:${port}/`)
    for (const url of urls) expect((await fetch(`${url}-/catalog/health`)).status).toBe(200)
    await gateway.stop()
  })

  test('on every address says one that can be connected to', async () => {
    const gateway = createGateway(deps, { port: 0, upstream: null, addresses: ['0.0.0.0'] })
    const { port, urls } = await gateway.start()
    expect(urls).toEqual([`http://127.0.0.1:${port}/`])
    await gateway.stop()
  })

  test('on a port that is taken fails with the next step, and leaves nothing open', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const gateway = createGateway(deps, { port, upstream: null })
    await expect(gateway.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      hint: expect.stringContaining('--port'),
    })
    taken.close()
    await once(taken, 'close')
    expect((await gateway.start()).port).toBe(port)
    await gateway.stop()
  })

  test('ends with a stop in the middle of the start, and can begin again', async () => {
    const gateway = createGateway(deps, { port: 0, upstream: null })
    const starting = gateway.start()
    await expect(gateway.start()).rejects.toThrow('running already')
    await gateway.stop()
    const { urls } = await starting
    for (const url of urls) await expect(fetch(`${url}-/catalog/health`)).rejects.toThrow()
    const again = await gateway.start()
    expect((await fetch(`${again.urls[0]}-/catalog/health`)).status).toBe(200)
    await gateway.stop()
  })

  test('with a cache folder that another gateway uses fails, and says so', async () => {
    const { cachePath } = world
    const gateway = createGateway(deps, { port: 0, upstream: null, cachePath })
    await expect(gateway.start()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  })

  test('needs options that make sense', () => {
    const bad = { port: -1, upstream: 'ftp://x', adminToken: 'short' }
    expect(() => createGateway(deps, bad)).toThrow(/port.*upstream.*adminToken/)
  })
})

describe('the Host header', () => {
  test.each(['evil.invalid', 'evil.invalid:4874', 'localhost.evil.invalid', 'a b', ''])(
    '%j is refused',
    async (host) => {
      const answer = await say(`GET /fx-one HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 (403|400) /)
      expect(world.upstream.seen).toEqual([])
    },
  )

  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:4874', '192.0.2.1'])(
    '%s is let in',
    async (host) => {
      expect((await world.http.get('/-/catalog/health').set('host', host)).status).toBe(200)
    },
  )

  test('allowed by option', async () => {
    await world.restart({ allowedHosts: ['catalog.lan'] })
    const got = await world.http.get('/-/catalog/health').set('host', 'catalog.lan:4874')
    expect(got.status).toBe(200)
  })
})

test('a name that we listen on may be called by it', () => {
  const { problem } = createHostCheck({ allowedHosts: [], addresses: ['Build.lan', '::1'] })
  expect(problem({ host: 'build.lan:4874' })).toBeUndefined()
  expect(problem({ host: 'other.lan:4874' })).toContain('--allowed-host')
})

test.each([
  ['127.0.0.1:4874', '127.0.0.1', true],
  ['localhost:4874', '::1', true],
  ['[::1]:4874', '::1', true],
  ['build.lan:4874', '10.0.0.5', true],
  ['build.lan', '10.0.0.5', true],
  ['10.0.0.5:4874', '10.0.0.5', true],
  ['[fd00::5]:4874', 'fd00::5', true],
  ['10.0.0.6:4874', '10.0.0.5', false],
  ['10.0.0.5:80', '10.0.0.5', false],
  ['127.0.0.1:5000', '127.0.0.1', false],
  ['127.9.9.9:4874', '127.9.9.9', false],
  ['LOCALHOST:4874', '127.0.0.1', false],
  ['localhost:04874', '127.0.0.1', false],
  ['[0:0:0:0:0:0:0:1]:4874', '::1', false],
  [undefined, undefined, false],
])('a form for %s, reached at %s, is one of our own: %s', (host, localAddress, isOwn) => {
  const hosts = createHostCheck({ allowedHosts: ['build.lan'], addresses: ['0.0.0.0'] })
  expect(hosts.isOwn(host, { localAddress, localPort: 4874 })).toBe(isOwn)
})

describe('web pages', () => {
  test('of other origins may read and change nothing, nor ask for leave', async () => {
    const origin = 'https://evil.invalid'
    expect((await world.http.put('/fx-one').set('origin', origin).send({})).status).toBe(403)
    expect((await world.http.options('/fx-one').set('origin', origin)).status).toBe(403)
    expect((await world.http.options('/fx-one')).status).toBe(405)
    expect((await world.http.get('/fx-one').set('origin', origin)).status).toBe(403)
  })
})

describe('limits', () => {
  test('headers that are too many bytes are refused', async () => {
    const request = `GET /fx-one HTTP/1.1\r\nHost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`
    // The answer may be lost when the connection is reset over what was not read.
    const answer = await say(request).catch(() => 'HTTP/1.1 431 ')
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
    expect(world.upstream.seen).toEqual([])
  })

  test('a URL that is too long is refused', async () => {
    expect((await world.http.get(`/${'x'.repeat(5000)}`)).status).toBe(404)
    expect(world.upstream.seen).toEqual([])
  })

  test('more connections than allowed are told to come again, and dropped when they are many', async () => {
    await world.restart({ maxSockets: 1 })
    const first = connect(Number(new URL(world.url).port), '127.0.0.1')
    await once(first, 'connect')
    const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const answer = await say(request)
    expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(answer).toMatch(/retry-after: 1\r\n/i)
    expect(answer).toContain('--max-sockets')
    const crowd = Array.from({ length: 300 }, () => {
      const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
      return socket.on('error', () => undefined)
    })
    await expect.poll(async () => say(request).catch(() => '')).toBe('')
    for (const socket of [first, ...crowd]) socket.destroy()
    const statusOf = async (): Promise<number> => (await world.http.get('/fx-one')).status
    await expect.poll(() => statusOf().catch(() => 0), { timeout: 10_000 }).toBe(200)
  })

  test('a silent client is cut off', async () => {
    await world.restart({ idleTimeoutMs: 50, headersTimeoutMs: 50 })
    const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('close', resolve)) // once() would throw a reset
  })
})

describe('stop', () => {
  test('lets an answer under way finish, and takes no new ones', async () => {
    const gate = Promise.withResolvers<void>()
    await world.restart({ drainTimeoutMs: 120_000 })
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const under = world.get('/fx-one/-/fx-one-1.0.0.tgz')
    await expect.poll(() => world.upstream.count(/tgz/), { timeout: 15_000 }).toBe(1)
    const stopped = world.gateway.stop()
    await expect(world.get('/-/catalog/health')).rejects.toThrow()
    gate.resolve()
    expect((await under).body.equals(one.tarball)).toBe(true)
    await stopped
    await world.gateway.stop()
  })

  test('cuts what does not finish in time', async () => {
    const gate = Promise.withResolvers<void>()
    await world.restart({ drainTimeoutMs: 20 })
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const under = world.get('/fx-one/-/fx-one-1.0.0.tgz').catch((error: unknown) => error)
    await expect.poll(() => world.upstream.count(/tgz/), { timeout: 15_000 }).toBe(1)
    await world.gateway.stop()
    expect(await under).toBeInstanceOf(Error)
    gate.resolve()
  })
})

describe('the application', () => {
  test('answers 503 before the start', async () => {
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const gateway = createGateway({ node: createFakeNode(), log }, { port: 0 })
    const got = await supertest(gateway.app).get('/fx-one')
    expect(got.status).toBe(503)
    expect(got.body.code).toBe('NODE_STOPPED')
  })

  test('can be mounted under a path, and then names it', async () => {
    const outer = express().use('/npm', world.gateway.app)
    const got = await supertest(outer).get('/npm/fx-one')
    const { versions } = got.body as { versions: Record<string, { dist: { tarball: string } }> }
    expect(versions['1.0.0']?.dist.tarball).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+\/npm\/fx-one\/-\/fx-one-1\.0\.0\.tgz$/,
    )
  })

  test('keeps connections open', async () => {
    const request = httpRequest(`${world.url}/-/catalog/health`).end()
    const [response] = (await once(request, 'response')) as [{ headers: object; resume(): void }]
    response.resume()
    expect(response.headers).toMatchObject({ 'keep-alive': 'timeout=65' })
  })
})
