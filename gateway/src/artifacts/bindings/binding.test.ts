/**
 * A digest that a client brings selects bytes that the registry has under that name and version, never others: whoever can
 * change a lockfile's `integrity` alone gets nothing but the failure that npm has without us.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf, parseDigest } from '@catalog-p2p/core'
import {
  incompressibleBytes,
  makePackage,
  type FixturePackage,
} from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, TOKEN, type GatewayWorld } from '../../../../test/support/gateway-world.ts'

const small = makePackage('fx-small', '1.0.0')
const newer = makePackage('fx-small', '1.1.0')
const other = makePackage('fx-other', '1.0.0')
const evil = makePackage('fx-small', '1.0.0', { scripts: { install: 'evil' } })
const bigFile = (seed: string) => [{ path: 'big.bin', content: incompressibleBytes(600_000, seed) }]
const big = makePackage('fx-big', '1.0.0', {}, bigFile('big'))
const bigEvil = makePackage('fx-big', '1.0.0', {}, bigFile('evil'))
const path = '/fx-small/-/fx-small-1.0.0.tgz'
const by = ({ integrity }: FixturePackage) => ({ 'pacote-integrity': integrity })

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [small, newer, other, big] })
})
afterEach(() => world[Symbol.asyncDispose]())

const peerHolds = (...packages: FixturePackage[]): void => {
  for (const { integrity, tarball } of packages) {
    world.node.peerHolds.set(parseDigest(integrity), tarball)
  }
}
/** What a client must get: what the registry has, which is not what its lockfile says, so that it fails by itself. */
async function expectRegistrys(headers: Record<string, string>): Promise<void> {
  const got = await world.get(path, headers)
  expect(digestOf(got.body)).toBe(small.integrity)
}

describe('a lockfile whose integrity alone was changed', () => {
  test.each([
    ['bytes that are in no registry', evil],
    ['another version of the package', newer],
    ['another package', other],
  ])('gets no peer asked for %s to give it', async (_, wanted) => {
    peerHolds(wanted)
    await expectRegistrys(by(wanted))
    // Again, when they may be in the store.
    await expectRegistrys(by(wanted))
  })

  test('neither with metadata at hand', async () => {
    await world.get('/fx-small')
    world.upstream.forget()
    peerHolds(evil)
    await expectRegistrys(by(evil))
    expect(world.node.asked.some(({ digest }) => digest === evil.integrity)).toBe(false)
    expect(world.logged.some((line) => line.includes('binding.mismatch'))).toBe(true)
  })

  test('nor from the store, where another package put it', async () => {
    await world.get('/fx-other/-/fx-other-1.0.0.tgz')
    await expectRegistrys(by(other))
  })

  test('nor by joining the download of another package', async () => {
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/fx-other-1.0.0.tgz/, { kind: 'hold', until: gate.promise }, 1)
    const theirs = world.get('/fx-other/-/fx-other-1.0.0.tgz', by(other))
    await expect.poll(() => world.upstream.count(/fx-other-1.0.0.tgz/)).toBe(1)
    const swapped = world.get(path, by(other))
    await expect.poll(() => world.node.asked.length).toBe(2)
    gate.resolve()
    expect((await theirs).body.equals(other.tarball)).toBe(true)
    expect(digestOf((await swapped).body)).toBe(small.integrity)
  })

  test('nor when it is large and streamed', async () => {
    peerHolds(bigEvil)
    const got = await world.get('/fx-big/-/fx-big-1.0.0.tgz', by(bigEvil)).catch(() => undefined)
    expect(got?.body.equals(bigEvil.tarball)).not.toBe(true)
  })
})

describe('what a registry says of a version', () => {
  test('is asked once, beside a peer: a few KB, and remembered over a restart', async () => {
    peerHolds(small)
    const first = await world.get(path, by(small))
    expect(first.headers['x-catalog-source']).toBe('peer')
    expect(world.upstream.seen.map(({ url }) => url)).toEqual(['/fx-small/1.0.0'])
    await world.restart()
    world.upstream.forget()
    expect((await world.get(path, by(small))).headers['x-catalog-source']).toBe('store')
    expect(world.upstream.seen).toEqual([])
  })

  test('is not asked when its own bytes came under that name', async () => {
    await world.get(path, by(small))
    await world.get(path, by(small))
    expect(world.upstream.seen.map(({ url }) => url)).toEqual([path])
  })

  test('comes from the packument where it has no documents of versions', async () => {
    world.upstream.fault(/fx-small\/1\.0\.0$/, { kind: 'status', status: 404, body: '{}' })
    peerHolds(small, evil)
    expect((await world.get(path, by(small))).headers['x-catalog-source']).toBe('peer')
    await expectRegistrys(by(evil))
  })

  test('may change: a version published anew has its new bytes at once', async () => {
    await world.get('/fx-small')
    const again = makePackage('fx-small', '1.0.0', { description: 'published once more' })
    world.upstream.add(again)
    expect(digestOf((await world.get(path, by(again))).body)).toBe(again.integrity)
  })

  test('is that there is no such version: 404, whatever peers have', async () => {
    const gone = makePackage('fx-small', '6.6.6')
    peerHolds(gone)
    const got = await world.get('/fx-small/-/fx-small-6.6.6.tgz', by(gone))
    expect(got.status).toBe(404)
  })
})

describe('with no registry in reach', () => {
  test.each(['stopped', 'peers only'])('(%s) the digest alone decides', async (how) => {
    peerHolds(small)
    if (how === 'stopped') await world.upstream.stop()
    else await world.restart({ upstream: null })
    expect((await world.get(path, by(small))).headers['x-catalog-source']).toBe('peer')
  })

  test.each(['stopped', 'peers only'])('(%s) nothing is answered if told so', async (how) => {
    await world.get('/fx-other/-/fx-other-1.0.0.tgz', by(other))
    peerHolds(small)
    if (how === 'stopped') await world.upstream.stop()
    await world.restart({ unboundDigests: 'refuse', ...(how !== 'stopped' && { upstream: null }) })
    const got = await world.http.get(path).set(by(small))
    expect(got.status).toBe(502)
    expect(JSON.stringify(got.body)).toContain('--unbound-digests allow')
    // What the registry has said before still counts.
    expect((await world.get('/fx-other/-/fx-other-1.0.0.tgz', by(other))).status).toBe(200)
  })

  test.each(['metadata', 'a record'])('it does not against %s of the version', async (known) => {
    if (known === 'metadata') await world.get('/fx-small')
    else {
      const evidence = { kind: 'registry-signature', keyId: 'k', signature: Buffer.of() } as const
      const of = { registry: `${world.upstream.url}/`, name: small.name, version: small.version }
      const record = { ...of, digest: parseDigest(small.integrity), evidence }
      vi.spyOn(world.node, 'findRecord').mockReturnValue(record)
    }
    await world.upstream.stop()
    peerHolds(evil)
    const got = await world.get(path, by(evil))
    expect(got.body.equals(evil.tarball)).toBe(false)
    // By a record it is only found out at their end: nobody is given it.
    if (known === 'metadata') expect(world.node.has(parseDigest(evil.integrity))).toBe(false)
    expect(got.status).toBe(502)
  })
})

test('a lockfile that was prefetched picks what to fetch, and never what to answer', async () => {
  peerHolds(evil)
  const packages = [{ name: 'fx-small', version: '1.0.0', integrity: evil.integrity }]
  const token = { 'x-catalog-token': TOKEN }
  const done = await world.http.post('/-/catalog/prefetch').set(token).send({ packages })
  expect(done.status).toBe(200)
  await expectRegistrys({})
})

test('what was prefetched and is what the registry has is answered without a hash, offline too', async () => {
  peerHolds(small)
  const packages = [{ name: 'fx-small', version: '1.0.0', integrity: small.integrity }]
  await world.http.post('/-/catalog/prefetch').set({ 'x-catalog-token': TOKEN }).send({ packages })
  await world.upstream.stop()
  expect((await world.get(path)).headers['x-catalog-source']).toBe('store')
})
