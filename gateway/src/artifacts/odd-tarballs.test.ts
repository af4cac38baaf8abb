/** Tarballs and their hashes as some registries have them, and clients take them: codings that nobody asked for, few hashes, many. */
import { createHash } from 'node:crypto'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { startUpstream } from '../../../test/support/registries/upstream.ts'

const one = makePackage('fx-one', '1.0.0')
const other = makePackage('fx-one', '2.0.0')
const PATH = '/fx-one/-/fx-one-1.0.0.tgz'

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one, other] })
})
afterEach(() => world[Symbol.asyncDispose]())

/** Puts the tarball elsewhere, where it comes as `body` with these headers. */
function serve(body: Buffer, headers: Record<string, string>): void {
  dist().tarball = `${world.upstream.url}elsewhere`
  world.upstream.otherwise = (_request, res) => void res.writeHead(200, headers).end(body)
}

function dist(): Record<string, unknown> {
  return world.upstream.document('fx-one').versions['1.0.0']?.dist ?? {}
}

function sri(algorithm: string, bytes: Buffer = one.tarball): string {
  return `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`
}

describe('a tarball with a content coding', () => {
  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)('comes without it: %s', async (coding, pack) => {
    serve(pack(one.tarball), { 'content-encoding': coding })
    const got = await world.get(PATH)
    expect(got.status).toBe(200)
    expect(got.body.equals(one.tarball)).toBe(true)
    expect(got.headers['content-encoding']).toBeUndefined()
  })

  test.each(['gzip', 'br'])('that is only called so comes as it is: %s', async (coding) => {
    serve(one.tarball, { 'content-encoding': coding })
    const got = await world.get(PATH)
    expect(got.body.equals(one.tarball)).toBe(true)
  })

  test('that unfolds to something else is not given on', async () => {
    serve(gzipSync(other.tarball), { 'content-encoding': 'gzip' })
    expect((await world.get(PATH)).status).toBe(502)
    expect(world.node.stored.size).toBe(0)
  })

  test('that breaks off is an error', async () => {
    const packed = brotliCompressSync(one.tarball)
    serve(packed.subarray(0, packed.length - 20), { 'content-encoding': 'br' })
    expect((await world.get(PATH)).status).toBe(502)
  })

  test('that is not known is refused for good', async () => {
    serve(one.tarball, { 'content-encoding': 'compress' })
    expect((await world.get(PATH)).status).toBe(422)
  })
})

describe('a version with', () => {
  test.each([
    ['no hash at all', {}],
    ['a sha1 in integrity only', { integrity: sri('sha1') }],
    ['a sha256 only', { integrity: sri('sha256') }],
    ['a sha384 only', { integrity: sri('sha384') }],
    [
      'two sha512, the first one right',
      { integrity: `${sri('sha512')} ${sri('sha512', other.tarball)}` },
    ],
    [
      'two sha512, the second one right',
      { integrity: `${sri('sha512', other.tarball)} ${sri('sha512')}` },
    ],
    ['a list of hashes', { integrity: [sri('sha1'), sri('sha512')] }],
    [
      'a wrong sha1 beside its sha512',
      { integrity: `${sri('sha1', other.tarball)} ${sri('sha512')}` },
    ],
    ['an integrity that is none, and a shasum', { integrity: 'none', shasum: one.shasum }],
  ])('%s is there, again and again', async (_what, hashes) => {
    const { tarball } = dist()
    delete dist().integrity
    delete dist().shasum
    Object.assign(dist(), { tarball, ...hashes })
    for (let times = 0; times < 2; times++) {
      const got = await world.get(PATH)
      expect(got.status).toBe(200)
      expect(got.body.equals(one.tarball)).toBe(true)
    }
  })

  test.each([
    ['sha1 in integrity', { integrity: sri('sha1', other.tarball) }],
    ['sha256', { integrity: sri('sha256', other.tarball) }],
    ['strongest hash', { integrity: `${sri('sha256')} ${sri('sha384', other.tarball)}` }],
  ])('a %s that is not of its bytes is refused', async (_what, hashes) => {
    delete dist().integrity
    delete dist().shasum
    Object.assign(dist(), hashes)
    const got = await world.http.get(PATH)
    expect(got.status).toBe(502)
    expect(got.body.code).toBe('DIGEST_MISMATCH')
    expect(world.node.stored.size).toBe(0)
  })

  test('another hash than sha512 comes from the store once it has been seen', async () => {
    delete dist().shasum
    Object.assign(dist(), { integrity: sri('sha256') })
    await world.get(PATH)
    world.upstream.forget()
    expect((await world.get(PATH)).headers['x-catalog-source']).toBe('store')
    expect(world.upstream.seen).toEqual([])
  })
})

describe('a tarball that lies', () => {
  test('at a host that is not reachable comes from the registry, if npm is told so', async () => {
    dist().tarball = `http://127.0.0.1:9${PATH}`
    expect((await world.get(PATH)).status).toBe(502)
    await world[Symbol.asyncDispose]()
    const npmrc = { 'replace-registry-host': 'always' }
    world = await gatewayWorld({ packages: [one], npmrc, registry: { prefix: '/api/npm/' } })
    dist().tarball = `http://127.0.0.1:9${PATH}`
    expect((await world.get(PATH)).body.equals(one.tarball)).toBe(true)
  })

  test.each([
    ['beside the registry', '/files/a'],
    ['behind a query', '/get?file=fx-one&version=1.0.0'],
    ['behind two slashes', '//fx-one//fx-one-1.0.0.tgz'],
  ])('%s', async (_where, path) => {
    await world[Symbol.asyncDispose]()
    world = await gatewayWorld({ packages: [one], registry: { prefix: '/api/npm/' } })
    dist().tarball = `${new URL(world.upstream.url).origin}${path}`
    world.upstream.otherwise = ({ url }, res) =>
      void (url === path ? res.writeHead(200).end(one.tarball) : res.writeHead(404).end())
    expect((await world.get(PATH)).body.equals(one.tarball)).toBe(true)
  })

  test('on another port', async () => {
    await using files = await startUpstream([one])
    dist().tarball = files.url + PATH.slice(1)
    expect((await world.get(PATH)).body.equals(one.tarball)).toBe(true)
    expect(files.count(/tgz/)).toBe(1)
  })
})
