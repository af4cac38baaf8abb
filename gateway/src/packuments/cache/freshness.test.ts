/** How long metadata is believed: what upstream says counts, what a request says counts, and two forms never disagree. */
import { once } from 'node:events'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { parseGatewayOptions } from '@catalog-p2p/gateway'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'

const one = makePackage('fx-one', '1.0.0')
const next = makePackage('fx-one', '2.0.0')
const FULL = { accept: 'application/json' }
const CORGI = { accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*' }

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one] })
})
afterEach(() => world[Symbol.asyncDispose]())

async function latest(headers: Record<string, string> = {}): Promise<string | undefined> {
  const { body } = await world.http.get('/fx-one').set(headers)
  return (body as { 'dist-tags'?: { latest?: string } })['dist-tags']?.latest
}

describe('the two forms of one document', () => {
  test.each([
    ['abbreviated', CORGI, FULL],
    ['full', FULL, CORGI],
  ])('agree after a publication that was seen in the %s form first', async (_name, a, b) => {
    await latest(a)
    await latest(b)
    world.upstream.add(next)
    const fresh = await latest({ ...a, 'cache-control': 'no-cache' })
    expect(fresh).toBe('2.0.0')
    expect(await latest(b)).toBe('2.0.0')
  })

  test('agree when only one of them had aged', async () => {
    await latest(CORGI)
    world.upstream.add(next)
    expect(await latest(FULL)).toBe('2.0.0')
    expect(await latest(CORGI)).toBe('2.0.0')
  })

  test('are one document: the short one is made of the full one at hand', async () => {
    await latest(FULL)
    await latest(CORGI)
    expect(world.upstream.count(/fx-one/)).toBe(1)
  })

  test('asked for at once, the short one does not take the place of the full one', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise }, 1)
    const short = latest(CORGI)
    await expect.poll(() => world.upstream.count(/fx-one/)).toBe(1)
    await latest(FULL)
    gate.resolve()
    expect(await short).toBe('1.0.0')
    await latest(FULL)
    expect(world.upstream.count(/fx-one/)).toBe(2)
  })
})

describe("upstream's Cache-Control", () => {
  test.each([
    ['no-cache', '2.0.0'],
    ['No-Store', '2.0.0'],
    ['private, max-age=0, must-revalidate', '2.0.0'],
    ['public, max-age=300', '1.0.0'],
  ])('%s: after a publication %s is seen', async (value, seen) => {
    world.upstream.documentHeaders = { 'cache-control': value }
    await latest()
    world.upstream.add(next)
    expect(await latest()).toBe(seen)
  })

  test('is over when a cache before us has had the document for so long', async () => {
    world.upstream.documentHeaders = { 'cache-control': 'max-age=300', age: '300' }
    await latest()
    world.upstream.add(next)
    expect(await latest()).toBe('2.0.0')
  })

  test('is bounded by our own maximum age, and told to clients as it is', async () => {
    await world.restart({ maxAgeMs: 60_000 })
    world.upstream.documentHeaders = { 'cache-control': 'max-age=31536000' }
    const long = await world.http.get('/fx-one')
    expect(long.headers['cache-control']).toMatch(/^public, max-age=(60|5\d)$/)
    await world.restart({ maxAgeMs: 0 })
    world.upstream.documentHeaders = { 'cache-control': 'max-age=20' }
    await latest()
    await world.restart({ maxAgeMs: 60_000 })
    const short = await world.http.get('/fx-one')
    expect(short.headers['cache-control']).toMatch(/^public, max-age=(20|1\d)$/)
  })

  test('of a 304 counts for the document that it confirms', async () => {
    world.upstream.documentHeaders = { 'cache-control': 'no-cache' }
    await latest()
    world.upstream.documentHeaders = { 'cache-control': 'max-age=300' }
    await latest()
    await latest()
    expect(world.upstream.count(/fx-one/)).toBe(2)
  })
})

describe("a request's Cache-Control", () => {
  test.each([
    ['cache-control', 'no-cache'],
    ['cache-control', 'max-age=0'],
    ['pragma', 'no-cache'],
  ])('%s: %s asks upstream, conditionally', async (name, value) => {
    await latest()
    world.upstream.add(next)
    expect(await latest({ [name]: value })).toBe('2.0.0')
    await latest({ [name]: value })
    expect(world.upstream.seen.at(-1)?.headers['if-none-match']).toBeDefined()
  })
})

describe('what is not in the document at hand', () => {
  const path = '/fx-one/-/fx-one-2.0.0.tgz'

  test('a version that was just published is there', async () => {
    await latest(CORGI)
    world.upstream.add(next)
    const got = await world.get(path)
    expect(got.body.equals(next.tarball)).toBe(true)
  })

  test('a version that is nowhere costs a question now and then, not one for each request', async () => {
    await latest(CORGI)
    for (let times = 0; times < 20; times++) expect((await world.get(path)).status).toBe(404)
    expect(world.upstream.count(/fx-one$/)).toBeGreaterThan(1)
    expect(world.upstream.count(/fx-one$/)).toBeLessThan(15)
  })

  test('is not said to be missing by an old copy while upstream fails', async () => {
    await latest(CORGI)
    await world.upstream.stop()
    const got = await world.get(path)
    expect(got.status).toBe(502)
    expect((await world.get('/fx-one')).status).toBe(200)
  })
})

describe('a slow registry', () => {
  test('of which an old copy is at hand is waited for, as its copy may lack what is wanted', async () => {
    await world.restart({ maxAgeMs: 0, staleAfterMs: 60_000 })
    await latest()
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise }, 1)
    world.upstream.add(next)
    const answer = latest()
    await expect.poll(() => world.upstream.count(/fx-one/)).toBe(2)
    gate.resolve()
    expect(await answer).toBe('2.0.0')
  })

  test('that says nothing is asked on behind the old copy', async () => {
    await world.restart({ maxAgeMs: 0, staleAfterMs: 50 })
    await latest()
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-one/, { kind: 'hold', until: gate.promise }, 1)
    world.upstream.add(next)
    expect(await latest()).toBe('1.0.0')
    gate.resolve()
    await expect.poll(() => latest()).toBe('2.0.0')
  })

  test('has as long for its headers as it is given, which counts for no body', async () => {
    expect(parseGatewayOptions({})).toMatchObject({ upstreamTimeoutMs: 300_000 })
    await world.restart({ upstreamTimeoutMs: 1, upstreamRetries: 5 })
    world.upstream.fault(/fx-one/, { kind: 'hold', until: once(process, 'never') })
    expect((await world.get('/fx-one')).status).toBe(502)
    // It has been waited for, which is enough.
    expect(world.upstream.count(/fx-one/)).toBe(1)
  })
})

describe('metadata in a coding that nobody asked for', () => {
  test.each([
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('is read all the same: %s', async (coding, pack) => {
    const text = JSON.stringify(world.upstream.document('fx-one'))
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(200, { 'content-encoding': coding }).end(pack(Buffer.from(text)))
    const got = await world.http.get('/fx-two')
    expect(got.body).toMatchObject({ versions: { '1.0.0': {} } })
  })

  test('that is not known is refused for good', async () => {
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(200, { 'content-encoding': 'compress' }).end('{}')
    const got = await world.http.get('/fx-two')
    expect(got.status).toBe(422)
    expect((got.body as { error: string }).error).toContain('compress')
  })
})

test('a version that is nonsense is left out, and told once', async () => {
  Object.assign(world.upstream.document('fx-one').versions, { '9.0.0': null })
  for (const headers of [FULL, CORGI, FULL]) expect(await latest(headers)).toBe('1.0.0')
  expect((await world.get('/fx-one/-/fx-one-1.0.0.tgz')).status).toBe(200)
  const told = world.logged.filter((line) => line.includes('packument.versions-dropped'))
  expect(told).toHaveLength(1)
  expect(told[0]).toContain('9.0.0')
})
