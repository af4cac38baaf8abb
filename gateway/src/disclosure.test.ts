/** What the gateway tells of the registries behind it, to whom: their URLs may carry a secret, and are nobody else's business. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../test/support/gateway-world.ts'

const SECRET = 'k7Rq2mWz9Xv4Tb1N'
const owner = { 'x-catalog-token': TOKEN }

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

async function start(): Promise<void> {
  const prefix = `/${SECRET}/npm/`
  const packages = [makePackage('fx-one', '1.0.0')]
  world = await gatewayWorld({ packages, registry: { prefix } })
}

/** The gateway's answer to somebody at `address`. */
async function ask(address: string, path: string, headers = {}): Promise<Record<string, unknown>> {
  const server = createServer((req, res) => {
    Object.defineProperty(req.socket, 'remoteAddress', { value: address })
    world.gateway.app(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    return (await response.json()) as Record<string, unknown>
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe('health', () => {
  test.each(['192.0.2.7', '2001:db8::7', '::ffff:192.0.2.7', ''])(
    'tells no registries to %s',
    async (address) => {
      await start()
      const got = await ask(address, '/-/catalog/health')
      expect(got).toEqual({ status: 'ok', id: 'fake-node' })
    },
  )

  test.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'])(
    'tells them to %s, without secrets',
    async (address) => {
      await start()
      const { origin } = new URL(world.upstream.url)
      const got = await ask(address, '/-/catalog/health')
      const url = `${origin}/***/npm/`
      expect(got.registries).toEqual([{ scope: null, url, isPublicDefault: false }])
    },
  )

  test('tells all to the owner, from wherever', async () => {
    await start()
    const got = await ask('192.0.2.7', '/-/catalog/health', owner)
    expect(got.registries).toMatchObject([{ url: world.upstream.url }])
  })
})

test('ready tells a stranger whether, and not why', async () => {
  await start()
  const { stats } = world.node
  world.node.stats = () => ({ ...stats(), problems: ['nothing listens on 192.0.2.1'] })
  expect(await ask('192.0.2.7', '/-/catalog/ready')).toEqual({ status: 'degraded' })
  const { problems } = await ask('127.0.0.1', '/-/catalog/ready')
  expect(problems).toMatchObject([{ text: 'nothing listens on 192.0.2.1' }])
})

describe('status', () => {
  test.each([
    ['192.0.2.7', {}, '/'],
    ['192.0.2.7', { 'x-catalog-token': 'not the right token' }, '/'],
    ['127.0.0.1', {}, '/***/npm/'],
    ['192.0.2.7', owner, `/${SECRET}/npm/`],
  ])('to %s with %j names the path %s', async (address, headers, path) => {
    await start()
    const { gateway } = await ask(address, '/-/catalog/status', headers)
    const { origin } = new URL(world.upstream.url)
    expect(gateway).toMatchObject({ upstream: origin + path })
  })
})

describe('whom this machine is connected to', () => {
  const PLACES = ['addresses', 'problems']

  test.each(['192.0.2.7', '2001:db8::7', ''])('is not told to %s', async (address) => {
    await start()
    expect(await ask(address, '/-/catalog/peers')).toMatchObject({ code: 'INVALID_OPTIONS' })
    const { node } = (await ask(address, '/-/catalog/status')) as { node: object }
    expect(node).toMatchObject({ id: 'fake-node', peers: 0 })
    for (const place of PLACES) expect(node).not.toHaveProperty(place)
    // What there is to count has no names.
    expect(Object.values(node).flatMap((one: unknown) => (Array.isArray(one) ? one : []))).toEqual(
      [],
    )
  })

  test.each([
    ['127.0.0.1', {}],
    ['192.0.2.7', owner],
  ])('is told to %s with %j', async (address, headers) => {
    await start()
    expect(await ask(address, '/-/catalog/peers', headers)).toEqual({ peers: [] })
    const { node } = (await ask(address, '/-/catalog/status', headers)) as { node: object }
    for (const place of PLACES) expect(node).toHaveProperty(place)
  })
})

test('neither the log nor an error names the secret', async () => {
  await start()
  world.upstream.fault(/fx-none/, { kind: 'status', status: 403 })
  const refused = await world.http.get('/fx-none/-/fx-none-1.0.0.tgz')
  expect(JSON.stringify(refused.body)).not.toContain(SECRET)
  world.upstream.fault(/fx-one/, { kind: 'redirect', to: 'ftp://r.invalid/' })
  const redirected = await world.http.get('/fx-one')
  expect(redirected.body.error).toContain('redirects to')
  expect(redirected.body.error).not.toContain(SECRET)
  await world.upstream.stop()
  await world.http.get('/-/npm/v1/keys')
  await world.http.get('/fx-one')
  expect(world.logged.length).toBeGreaterThan(3)
  expect(world.logged.filter((line) => line.includes(SECRET))).toEqual([])
})
