/**
 * A tarball asked for by name and version alone, with no peer beside: what the registry says of the version and the bytes are
 * asked for at once, each one time, and nothing is answered before it is known which bytes they are.
 */
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { incompressibleBytes, makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

const small = makePackage('fx-small', '1.0.0')
const newer = makePackage('fx-small', '2.0.0')
const scoped = makePackage('@fx/scoped', '1.0.0')
const big = makePackage('fx-big', '1.0.0', {}, [
  { path: 'big.bin', content: incompressibleBytes(3_000_000, 'big') },
])
const others = Array.from({ length: 8 }, (_, index) => makePackage(`fx-other-${index}`, '1.0.0'))
const path = '/fx-small/-/fx-small-1.0.0.tgz'
const DOCUMENT = /fx-small\/1\.0\.0$/

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [small, newer, scoped, big, ...others] })
})
afterEach(() => world[Symbol.asyncDispose]())

const asked = (): string[] => world.upstream.seen.map(({ url }) => url).toSorted()
const distOf = (name: string): Record<string, unknown> =>
  world.upstream.document(name).versions['1.0.0']?.dist ?? {}
const pathOf = (name: string): string => `/${name}/-/${name}-1.0.0.tgz`
const sri = (algorithm: string, bytes: Buffer): string =>
  `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`

describe('the version document and the tarball', () => {
  test('are asked for at once, each one time', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/./, { kind: 'hold', until: gate.promise })
    const answer = world.get(path)
    await expect.poll(() => world.upstream.seen.length).toBe(2)
    gate.resolve()
    expect((await answer).body.equals(small.tarball)).toBe(true)
    expect(asked()).toEqual([path, '/fx-small/1.0.0'])
  })

  test('of a scoped package too', async () => {
    const got = await world.get('/@fx/scoped/-/scoped-1.0.0.tgz')
    expect(got.body.equals(scoped.tarball)).toBe(true)
    expect(got.headers['cache-control']).toContain('public')
    expect(asked()).toEqual(['/@fx%2fscoped/1.0.0', '/@fx/scoped/-/scoped-1.0.0.tgz'])
  })

  test.each([
    ['small', 'fx-small', small],
    ['large', 'fx-big', big],
  ])('nothing of a %s one is answered before its digest is known', async (_, name, wanted) => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/1\.0\.0$/, { kind: 'hold', until: gate.promise })
    let isAnswered = false
    const answer = fetch(world.url + pathOf(name)).then((response) => {
      isAnswered = true
      return response
    })
    await expect.poll(() => world.upstream.count(/tgz$/)).toBe(1)
    // What came later has been answered meanwhile.
    for (let i = 0; i < 3; i += 1) expect((await world.get('/-/catalog/health')).status).toBe(200)
    expect(isAnswered).toBe(false)
    expect(world.node.asked).toEqual([])
    gate.resolve()
    const bytes = Buffer.from(await (await answer).arrayBuffer())
    expect(bytes.equals(wanted.tarball)).toBe(true)
    expect(world.upstream.seen).toHaveLength(2)
  })

  test('are shared by many clients', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.get(path)))
    expect(answers.every(({ body }) => body.equals(small.tarball))).toBe(true)
    expect(world.upstream.seen).toHaveLength(2)
  })

  test('are shared by a client that names the digest meanwhile', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(DOCUMENT, { kind: 'hold', until: gate.promise })
    const first = world.get(path)
    await expect.poll(() => world.upstream.seen.length).toBe(2)
    const headers = { 'pacote-integrity': small.integrity }
    const second = await fetch(world.url + path, { headers })
    expect(Buffer.from(await second.arrayBuffer()).equals(small.tarball)).toBe(true)
    gate.resolve()
    expect((await first).body.equals(small.tarball)).toBe(true)
    expect(world.upstream.count(/tgz$/)).toBe(1)
  })

  test('give nothing of other bytes than the document names', async () => {
    world.upstream.fault(/tgz$/, { kind: 'wrong-bytes' })
    const got = await world.http.get(path)
    expect(got.status).toBe(502)
    expect(got.body.code).toBe('DIGEST_MISMATCH')
  })

  test('are given up when the client leaves, and asked for anew', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/./, { kind: 'hold', until: gate.promise }, 2)
    const leaver = httpRequest(world.url + path).end()
    leaver.on('error', () => undefined)
    await expect.poll(() => world.upstream.seen.length).toBe(2)
    leaver.destroy()
    await expect.poll(() => world.gateway.stats().activeRequests).toBe(0)
    expect((await world.get(path)).body.equals(small.tarball)).toBe(true)
    expect(world.upstream.count(/tgz$/)).toBe(2)
    gate.resolve()
  })

  test('a broken body is continued where it broke', async () => {
    world.upstream.fault(/tgz$/, { kind: 'truncate', bytes: 200_000 }, 1)
    expect((await world.get(pathOf('fx-big'))).body.equals(big.tarball)).toBe(true)
    const ranges = world.upstream.seen.map(({ headers }) => headers.range).filter(Boolean)
    expect(ranges).toEqual(['bytes=200000-'])
  })
})

describe('where the version document does not say it', () => {
  test('the packument does, of a registry that has none; it is not asked for one again', async () => {
    world.upstream.fault(/1\.0\.0$/, { kind: 'status', status: 404 })
    expect((await world.get(path)).body.equals(small.tarball)).toBe(true)
    expect(asked()).toEqual(['/fx-small', path, '/fx-small/1.0.0'])
    world.upstream.forget()
    expect((await world.get(pathOf('fx-big'))).body.equals(big.tarball)).toBe(true)
    expect(asked()).toEqual(['/fx-big', pathOf('fx-big')])
  })

  test.each([
    ['a sha1 only', { shasum: small.shasum }],
    ['a sha256 only', { integrity: sri('sha256', small.tarball) }],
    ['several hashes', { integrity: `${sri('sha512', big.tarball)} ${small.integrity}` }],
    ['no hash', {}],
  ])('%s: its bytes are asked for once all the same', async (_, hashes) => {
    const dist = distOf('fx-small')
    delete dist.integrity
    delete dist.shasum
    Object.assign(dist, hashes)
    expect((await world.get(path)).body.equals(small.tarball)).toBe(true)
    expect(world.upstream.count(/tgz$/)).toBe(1)
    // One old package does not make a registry without documents.
    world.upstream.forget()
    await world.get(pathOf('fx-big'))
    expect(asked()).toEqual([pathOf('fx-big'), '/fx-big/1.0.0'])
  })

  test('a registry that wants to be asked later is not out of reach', async () => {
    world.upstream.fault(DOCUMENT, { kind: 'status', status: 429, headers: { 'retry-after': '0' } })
    expect((await world.get(path)).body.equals(small.tarball)).toBe(true)
    expect(world.upstream.count(/tgz$/)).toBe(1)
  })

  test('that there is no such version is 404', async () => {
    expect((await world.get('/fx-small/-/fx-small-3.0.0.tgz')).status).toBe(404)
  })
})

describe('a registry with its tarballs elsewhere', () => {
  test('is asked where they are by default a few times only', async () => {
    for (const each of others) {
      distOf(each.name).tarball = `${world.upstream.url}elsewhere/${each.name}`
    }
    world.upstream.otherwise = ({ url }, res) => {
      const found = others.find(({ name }) => url === `/elsewhere/${name}`)
      if (found === undefined) res.writeHead(404).end()
      else res.writeHead(200).end(found.tarball)
    }
    const answers = await Promise.all(
      others.map(async ({ name, tarball }) => (await world.get(pathOf(name))).body.equals(tarball)),
    )
    expect(answers).toEqual(others.map(() => true))
    expect(world.upstream.count(/elsewhere/)).toBe(others.length)
    expect(world.upstream.count(/tgz$/)).toBeLessThanOrEqual(4)
    for (const { name } of [...others, ...others]) {
      world.upstream.add(makePackage(name, '1.0.1'))
      const dist = world.upstream.document(name).versions['1.0.1']?.dist ?? {}
      dist.tarball = `${world.upstream.url}elsewhere/${name}`
      await world.get(`/${name}/-/${name}-1.0.1.tgz`)
    }
    expect(world.upstream.count(/tgz$/)).toBeLessThanOrEqual(4)
  })
})

describe('nothing is asked for early', () => {
  test('with credentials', async () => {
    const npmrc = { '//{host}/:_authToken': 'of a test' }
    await using other = await gatewayWorld({ packages: [small], npmrc })
    expect((await other.get(path)).body.equals(small.tarball)).toBe(true)
    const urls = other.upstream.seen.filter(({ method }) => method === 'GET').map(({ url }) => url)
    expect(urls).toEqual(['/fx-small', path])
  })

  test('of what the version document named a moment ago', async () => {
    await world.get(path)
    world.upstream.forget()
    world.node.stored.clear()
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('peer')
    expect(asked()).toEqual([])
  })

  test('beside a peer that may have it and tells no names', async () => {
    const peer = {
      ...{ peer: 'a peer', address: '/ip4/127.0.0.1/udp/1', group: 'one', connectedAtMs: 1 },
      ...{ direction: 'outbound' as const, transport: 'quic' as const },
      ...{
        artifacts: 3,
        names: 0,
        rttMs: 1,
        receivedBytes: 0,
        sentBytes: 0,
        strikes: 0,
        carriers: 0,
      },
    }
    vi.spyOn(world.node, 'peers').mockReturnValue([peer])
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('peer')
    expect(asked()).toEqual(['/fx-small/1.0.0'])
  })

  test('beside peers that list it, though they take their time', async () => {
    vi.spyOn(world.node.questions, 'holders').mockReturnValue(['a peer'])
    vi.spyOn(world.node, 'resolve').mockReturnValue(new Promise(() => undefined))
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('peer')
    expect(asked()).toEqual(['/fx-small/1.0.0'])
  })
})
