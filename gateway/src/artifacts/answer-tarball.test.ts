import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdir, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf, parseDigest } from '@catalog-p2p/core'
import { incompressibleBytes, makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

const small = makePackage('fx-small', '1.0.0')
const scoped = makePackage('@fx/scoped', '2.0.0')
const big = makePackage('fx-big', '1.0.0', {}, [
  { path: 'big.bin', content: incompressibleBytes(700_000, 'big') },
])
const odd = makePackage('FxOdd', '1.0.0')

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [small, scoped, big, odd] })
})
afterEach(() => world[Symbol.asyncDispose]())

describe('a tarball', () => {
  test('is found by the digest that npm sends, without any metadata', async () => {
    const got = await world.get('/fx-small/-/fx-small-1.0.0.tgz', {
      'pacote-integrity': small.integrity,
    })
    expect(got.status).toBe(200)
    expect(got.body.equals(small.tarball)).toBe(true)
    expect(world.upstream.seen.map(({ url }) => url)).toEqual(['/fx-small/-/fx-small-1.0.0.tgz'])
  })

  test('is found through what the registry says of the version when the client sends no digest', async () => {
    const got = await world.get('/@fx/scoped/-/scoped-2.0.0.tgz')
    expect(got.body.equals(scoped.tarball)).toBe(true)
    expect(world.node.asked[0]?.digest).toBe(scoped.integrity)
  })

  test('is found after a kill between the two files of its packument', async () => {
    const accept = 'application/vnd.npm.install-v1+json'
    expect((await world.get('/fx-small', { accept })).headers.etag).toBeDefined()
    await world.restart({})
    const files = await readdir(world.cachePath, { recursive: true })
    const lists = files.filter((file) => file.endsWith('.versions.gz'))
    expect(lists.length).toBeGreaterThan(0)
    for (const file of lists) await rm(join(world.cachePath, file))
    const got = await world.get('/fx-small/-/fx-small-1.0.0.tgz')
    expect(got.status).toBe(200)
    expect(got.body.equals(small.tarball)).toBe(true)
  })

  test('is found under the encoded spelling of its name', async () => {
    const got = await world.get('/@fx%2fscoped/-/scoped-2.0.0.tgz')
    expect(got.body.equals(scoped.tarball)).toBe(true)
  })

  test('is found under a file name of another case', async () => {
    const got = await world.get('/FxOdd/-/fxodd-1.0.0.tgz')
    expect(got.body.equals(odd.tarball)).toBe(true)
  })

  test('comes from the store the second time', async () => {
    const path = '/fx-small/-/fx-small-1.0.0.tgz'
    const first = await world.get(path)
    const second = await world.get(path)
    expect(first.headers['x-catalog-source']).toBe('origin')
    expect(second.headers['x-catalog-source']).toBe('store')
    expect(world.upstream.count(/tgz/)).toBe(1)
    expect(world.gateway.stats().tarballs.store.bytes).toBe(small.tarball.length)
  })

  test('of which all is known is not looked up again', async () => {
    const path = '/fx-small/-/fx-small-1.0.0.tgz'
    for (const each of ['/fx-small', path, path]) await world.get(each)
    const lookUps = vi.spyOn(world.node, 'findRecord')
    expect((await world.get(path)).headers['x-catalog-source']).toBe('store')
    expect(lookUps).not.toHaveBeenCalled()
  })

  test('comes from a peer, and upstream is asked only what that version is', async () => {
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    const headers = { 'pacote-integrity': small.integrity }
    const got = await world.get('/fx-small/-/fx-small-1.0.0.tgz', headers)
    expect(got.headers['x-catalog-source']).toBe('peer')
    expect(world.upstream.seen.map(({ url }) => url)).toEqual(['/fx-small/1.0.0'])
  })

  test('carries its digest as ETag, is immutable, and has no content-encoding', async () => {
    const got = await world.get('/fx-small/-/fx-small-1.0.0.tgz', { 'accept-encoding': 'gzip' })
    expect(got.headers.etag).toBe(`"${small.integrity}"`)
    expect(got.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(got.headers['content-encoding']).toBeUndefined()
    expect(got.headers['content-length']).toBe(String(small.tarball.length))
    const again = await world.http
      .get('/fx-small/-/fx-small-1.0.0.tgz')
      .set('if-none-match', String(got.headers.etag))
    expect(again.status).toBe(304)
  })

  test('answers HEAD with its length and no body', async () => {
    const got = await world.http.head('/fx-small/-/fx-small-1.0.0.tgz')
    expect(got.status).toBe(200)
    expect(got.headers['content-length']).toBe(String(small.tarball.length))
  })

  test('that no version has is 404, asked of upstream anew', async () => {
    await world.get('/fx-small')
    const got = await world.http.get('/fx-small/-/fx-small-9.9.9.tgz')
    expect(got.status).toBe(404)
    expect(got.body.error).toContain('fx-small@9.9.9')
    world.upstream.add(makePackage('fx-small', '9.9.9'))
    // Not at once: what was not there a moment ago is not asked for each time.
    const again = async (): Promise<number> =>
      (await world.get('/fx-small/-/fx-small-9.9.9.tgz')).status
    await expect.poll(again, { timeout: 10_000 }).toBe(200)
  })
})

describe('a range', () => {
  const path = '/fx-big/-/fx-big-1.0.0.tgz'

  test.each([
    ['bytes=0-9', 0, 10],
    ['bytes=100-', 100, big.tarball.length],
    ['bytes=-7', big.tarball.length - 7, big.tarball.length],
  ])('%s of an artifact at hand', async (range, start, end) => {
    await world.get(path)
    const got = await world.get(path, { range })
    expect(got.status).toBe(206)
    expect(got.headers['content-range']).toBe(`bytes ${start}-${end - 1}/${big.tarball.length}`)
    expect(got.body.equals(big.tarball.subarray(start, end))).toBe(true)
  })

  test('of an artifact still arriving', async () => {
    const got = await world.get(path, { range: 'bytes=300000-300099' })
    expect(got.status).toBe(206)
    expect(got.body.equals(big.tarball.subarray(300_000, 300_100))).toBe(true)
  })

  test('beyond the end is 416', async () => {
    const got = await world.get(path, { range: 'bytes=99999999-' })
    expect(got.status).toBe(416)
    expect(got.headers['content-range']).toBe(`bytes */${big.tarball.length}`)
  })
})

describe('wrong bytes', () => {
  test('of a small artifact give a clean 502', async () => {
    world.upstream.fault(/tgz/, { kind: 'wrong-bytes' })
    const got = await world.http.get('/fx-small/-/fx-small-1.0.0.tgz')
    expect(got.status).toBe(502)
    expect(got.body.code).toBe('DIGEST_MISMATCH')
    expect(got.headers.etag).toBeUndefined()
  })

  test('of a large one never complete', async () => {
    world.upstream.fault(/tgz/, { kind: 'wrong-bytes' })
    await expect(world.get('/fx-big/-/fx-big-1.0.0.tgz')).rejects.toThrow()
    expect(world.node.has(parseDigest(big.integrity))).toBe(false)
  })

  test('outside the range asked for spoil that range too', async () => {
    world.upstream.fault(/tgz/, { kind: 'wrong-bytes' })
    const got = await world.get('/fx-big/-/fx-big-1.0.0.tgz', { range: 'bytes=0-9' })
    expect(got.status).toBe(502)
  })
})

describe('a broken connection to upstream', () => {
  test('is taken up where it broke', async () => {
    world.upstream.fault(/tgz/, { kind: 'truncate', bytes: 200_000 }, 2)
    const got = await world.get('/fx-big/-/fx-big-1.0.0.tgz')
    expect(got.body.equals(big.tarball)).toBe(true)
    const ranges = world.upstream.seen.map(({ headers }) => headers.range).filter(Boolean)
    expect(ranges).toEqual(['bytes=200000-', 'bytes=400000-'])
  })

  test('that never heals ends in 502 for a small artifact', async () => {
    world.upstream.fault(/tgz/, { kind: 'truncate', bytes: 10 })
    const got = await world.http.get('/fx-small/-/fx-small-1.0.0.tgz')
    expect(got.status).toBe(502)
    expect(got.body.error).toContain('cannot be reached')
  })

  test('does not matter for what a peer or the store has', async () => {
    await world.get('/fx-small/-/fx-small-1.0.0.tgz')
    await world.upstream.stop()
    expect((await world.get('/fx-small/-/fx-small-1.0.0.tgz')).status).toBe(200)
  })
})

describe('many clients at once', () => {
  const path = '/fx-small/-/fx-small-1.0.0.tgz'

  test('cost one download', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const answers = Array.from({ length: 100 }, () => world.get(path))
    await expect.poll(() => world.upstream.count(/tgz/), { timeout: 20_000 }).toBe(1)
    gate.resolve()
    const all = await Promise.all(answers)
    expect(all.every(({ body }) => body.equals(small.tarball))).toBe(true)
    expect(world.upstream.count(/tgz/)).toBe(1)
    expect(world.upstream.count(/fx-small\/1\.0\.0$/)).toBe(1)
    expect(world.upstream.count(/fx-small$/)).toBe(0)
  })

  test('lose nothing when one of them hangs up', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const leaver = httpRequest(world.url + path).end()
    leaver.on('error', () => undefined)
    await expect.poll(() => world.upstream.count(/tgz/), { timeout: 20_000 }).toBe(1)
    const stayer = world.get(path)
    await expect.poll(() => world.gateway.stats().activeRequests).toBe(2)
    leaver.destroy()
    await expect.poll(() => world.gateway.stats().activeRequests).toBe(1)
    gate.resolve()
    expect((await stayer).body.equals(small.tarball)).toBe(true)
    expect(world.node.origins).toEqual({ opened: 1, aborted: 0 })
  })

  test('who all hang up end the download', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const leaver = httpRequest(world.url + path).end()
    leaver.on('error', () => undefined)
    await expect.poll(() => world.upstream.count(/tgz/), { timeout: 20_000 }).toBe(1)
    leaver.destroy()
    await expect.poll(() => world.node.origins.aborted).toBe(1)
    gate.resolve()
  })
})

describe('an old package with only a sha1', () => {
  const path = '/fx-small/-/fx-small-1.0.0.tgz'
  beforeEach(() => {
    const { dist } = world.upstream.document('fx-small').versions['1.0.0'] ?? { dist: {} }
    delete dist.integrity
  })

  test('comes from upstream once, checked, and is known by its sha512 from then on', async () => {
    const [first, other] = await Promise.all([world.get(path), world.get(path)])
    expect(first.body.equals(small.tarball)).toBe(true)
    expect(other.body.equals(small.tarball)).toBe(true)
    expect(world.upstream.count(/tgz/)).toBe(1)
    expect(first.headers.etag).toBe(`"${digestOf(small.tarball)}"`)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('store')
    await world.restart()
    world.node.stored.clear()
    world.node.peerHolds.set(digestOf(small.tarball), small.tarball)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('peer')
  })

  test('is refused when its sha1 is another', async () => {
    world.upstream.fault(/tgz/, { kind: 'wrong-bytes' })
    const got = await world.http.get(path)
    expect(got.status).toBe(502)
    const sha1 = createHash('sha1').update(small.tarball).digest('base64')
    expect(got.body.error).toContain(`sha1-${sha1}`)
    expect(world.node.stored.size).toBe(0)
  })

  test('comes from the registry each time when it has no hash at all', async () => {
    const { dist } = world.upstream.document('fx-small').versions['1.0.0'] ?? { dist: {} }
    delete dist.shasum
    for (let times = 0; times < 2; times++) {
      expect((await world.get(path)).headers['x-catalog-source']).toBe('origin')
    }
  })
})

describe('without upstream', () => {
  test('what nobody has is a clear 404', async () => {
    await world.restart({ upstream: null })
    const got = await world.http
      .get('/fx-small/-/fx-small-1.0.0.tgz')
      .set('pacote-integrity', small.integrity)
    expect(got.status).toBe(404)
    expect(got.body.code).toBe('NO_PROVIDERS')
  })

  test('a version known from metadata seen earlier is found at peers', async () => {
    await world.get('/fx-small')
    await world.restart({ upstream: null })
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    const got = await world.get('/fx-small/-/fx-small-1.0.0.tgz')
    expect(got.headers['x-catalog-source']).toBe('peer')
  })
})

test('a client that reads slowly gets everything', async () => {
  const request = httpRequest(`${world.url}/fx-big/-/fx-big-1.0.0.tgz`).end()
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer>]
  let size = 0
  for await (const chunk of response) {
    size += chunk.length
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(size).toBe(big.tarball.length)
})
