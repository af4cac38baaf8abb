/** Metadata that is served at once and renewed behind the answer; and what takes metadata out of the cache. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

const one = makePackage('fx-one', '1.0.0')
const next = makePackage('fx-one', '2.0.0')
const secret = makePackage('@corp/secret', '1.0.0')
const ALICE = { authorization: 'Bearer alice-token' }
const DAY = 86_400_000

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({
    packages: [one, secret],
    ...{ maxAgeMs: 0, staleWhileRevalidateMs: DAY },
  })
})
afterEach(() => world[Symbol.asyncDispose]())

interface Got {
  readonly status: number
  readonly latest: string | undefined
}

async function latest(path = '/fx-one', headers: Record<string, string> = {}): Promise<Got> {
  const { status, body } = await world.http.get(path).set(headers)
  return { status, latest: (body as { 'dist-tags'?: { latest?: string } })['dist-tags']?.latest }
}

const OLD = { status: 200, latest: '1.0.0' }
const NEW = { status: 200, latest: '2.0.0' }

describe('an old document', () => {
  test('is served while the registry is asked, which need not answer', async () => {
    await latest()
    world.upstream.add(next)
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise }, 1)
    expect(await latest()).toEqual(OLD)
    expect(await latest()).toEqual(OLD)
    gate.resolve()
    await expect.poll(() => latest()).toEqual(NEW)
  })

  test('is to be asked for again by who has got it', async () => {
    await latest()
    const { headers } = await world.http.get('/fx-one')
    expect(headers['cache-control']).toBe('no-cache')
  })

  test('is not served when it is older than that, nor without the option', async () => {
    await latest()
    world.upstream.add(next)
    await world.restart({ staleWhileRevalidateMs: 1 })
    expect(await latest()).toEqual(NEW)
    world.upstream.document('fx-one')['dist-tags'].latest = '1.0.0'
    await world.restart({ staleWhileRevalidateMs: 0 })
    expect(await latest()).toEqual(OLD)
  })

  test('is not served to who wants to hear from the registry', async () => {
    await latest()
    world.upstream.add(next)
    expect(await latest('/fx-one', { 'cache-control': 'no-cache' })).toEqual(NEW)
  })

  test('does not say that a version is missing', async () => {
    await latest()
    world.upstream.add(next)
    const got = await world.get('/fx-one/-/fx-one-2.0.0.tgz')
    expect(got.body.equals(next.tarball)).toBe(true)
  })

  test.each([
    ['PUT', '/fx-one'],
    ['PUT', '/-/package/fx-one/dist-tags/latest'],
    ['PUT', '/fx-one/-rev/7'],
  ])('is not served after %s %s through this gateway', async (method, path) => {
    world.upstream.otherwise = (_request, res) => void res.writeHead(201).end('{}')
    await latest()
    world.upstream.add(next)
    expect((await fetch(world.url + path, { method })).status).toBe(201)
    expect(await latest()).toEqual(NEW)
  })

  test('is renewed behind for its owner alone', async () => {
    world.upstream.wall(/@corp/, [ALICE.authorization])
    const path = '/@corp%2fsecret'
    expect(await latest(path, ALICE)).toEqual(OLD)
    expect((await latest(path)).status).toBe(404)
    expect(await latest(path, ALICE)).toEqual(OLD)
  })
})

describe('what takes a document out of the cache', () => {
  test.each([401, 403, 404, 410])('a %i, seen behind an answer', async (status) => {
    await latest()
    world.upstream.fault(/fx-one/, { kind: 'status', status, body: '{"error":"gone"}' })
    expect(await latest()).toEqual(OLD)
    await expect.poll(async () => (await latest()).status).toBe(status)
    // Nor is it there for the time when the registry is away.
    await world.upstream.stop()
    await world.restart()
    expect((await latest()).status).toBe(502)
  })

  test.each([404, 410])('a %i, with what was kept of its versions', async (status) => {
    await world.restart({ staleWhileRevalidateMs: 0 })
    await latest()
    expect((await world.get('/fx-one/1.0.0')).status).toBe(200)
    world.upstream.fault(/fx-one$/, { kind: 'status', status, body: '{"error":"gone"}' })
    expect((await latest()).status).toBe(status)
    await world.upstream.stop()
    expect((await world.get('/fx-one/1.0.0')).status).toBe(502)
  })

  test('the same of a private one, for whom it is refused', async () => {
    await world.restart({ staleWhileRevalidateMs: 0 })
    const path = '/@corp%2fsecret'
    world.upstream.wall(/@corp/, [ALICE.authorization])
    expect(await latest(path, ALICE)).toEqual(OLD)
    world.upstream.fault(/@corp/, { kind: 'status', status: 404, body: '{"error":"gone"}' })
    expect((await latest(path, ALICE)).status).toBe(404)
    await world.upstream.stop()
    expect((await latest(path, ALICE)).status).toBe(502)
  })

  test.each([500, 502, 503, 429])('not a %i', async (status) => {
    await latest()
    const headers = { 'retry-after': '0' }
    world.upstream.fault(/fx-one/, { kind: 'status', status, headers, body: '{"error":"no"}' })
    const asked = world.upstream.count(/fx-one/)
    expect(await latest()).toEqual(OLD)
    await expect.poll(() => world.upstream.count(/fx-one/)).toBeGreaterThan(asked)
    await world.restart({ staleWhileRevalidateMs: 0 })
    expect(await latest()).toEqual(OLD)
  })

  test('not a registry that is away, or silent', async () => {
    await latest()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: once(process, 'never') })
    expect(await latest()).toEqual(OLD)
    await world.upstream.stop()
    await world.restart({ staleWhileRevalidateMs: 0 })
    expect(await latest()).toEqual(OLD)
  })
})
