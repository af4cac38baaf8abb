/** What needs credentials stays with its owner: nothing about it leaves the node, and nobody else on the machine gets it. */
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { digestOf, openDatabase, parseDigest } from '@catalog-p2p/core'
import { incompressibleBytes, makePackage } from '../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../test/support/gateway-world.ts'
import { startUpstream } from '../../test/support/registries/upstream.ts'

const open = makePackage('fx-open', '1.0.0')
const secret = makePackage('@corp/secret', '1.0.0')
const large = makePackage('@corp/large', '1.0.0', {}, [
  { path: 'big.bin', content: incompressibleBytes(600_000, 'corp') },
])
const path = '/@corp/secret/-/secret-1.0.0.tgz'
const ALICE = { authorization: 'Bearer alice-token' }
const BOB = { authorization: 'Bearer bob-token' }
const MINE = 'Bearer gateway-token'

let world: GatewayWorld
async function start(options: Parameters<typeof gatewayWorld>[0] = {}): Promise<void> {
  world = await gatewayWorld({ packages: [open, secret, large], ...options })
  world.upstream.wall(/@corp/, [ALICE.authorization, MINE])
}
afterEach(() => world[Symbol.asyncDispose]())

/** What the node was told and holds of the secret package. */
function leaks(): unknown[] {
  const digest = parseDigest(secret.integrity)
  const asked = world.node.asked.filter((one) => one.digest === digest)
  return [
    ...asked.filter(({ peers, visibility }) => peers || visibility === 'public'),
    ...(world.node.entry(digest)?.visibility === 'public' ? ['stored as public'] : []),
  ]
}

describe("with the client's own credentials", () => {
  test('a private package is fetched, kept as private, and never asked of peers', async () => {
    await start()
    const doc = await world.http.get('/@corp%2fsecret').set(ALICE)
    expect(doc.status).toBe(200)
    expect(doc.headers['cache-control']).toMatch(/^private/)
    const got = await world.get(path, ALICE)
    expect(got.body.equals(secret.tarball)).toBe(true)
    expect(got.headers['cache-control']).toMatch(/^private/)
    expect(leaks()).toEqual([])
    expect(world.node.entry(parseDigest(secret.integrity))?.visibility).toBe('private')
  })

  test('also when npm ci asks by digest with no metadata known', async () => {
    await start()
    const got = await world.get(path, { ...ALICE, 'pacote-integrity': secret.integrity })
    expect(got.status).toBe(200)
    expect(leaks()).toEqual([])
  })

  test('a public package stays public', async () => {
    await start()
    await world.get('/fx-open/-/fx-open-1.0.0.tgz', ALICE)
    expect(world.node.entry(parseDigest(open.integrity))?.visibility).toBe('public')
    expect(world.node.asked[0]?.peers).toBe(true)
    // As npm does: what strangers are told may be something else.
    const sent = world.upstream.seen.map(({ headers }) => headers.authorization)
    expect(sent).toEqual([ALICE.authorization, ALICE.authorization])
  })

  test.each(['small', 'large'])('nobody else gets a %s cached one', async (size) => {
    await start()
    const wanted = size === 'small' ? secret : large
    const file = size === 'small' ? path : '/@corp/large/-/large-1.0.0.tgz'
    expect((await world.get(file, ALICE)).status).toBe(200)
    const digest = { 'pacote-integrity': wanted.integrity }
    expect((await world.get(file, digest)).status).toBe(404)
    expect((await world.get(file, { ...digest, ...BOB })).status).toBe(404)
    expect((await world.get(file)).status).toBe(404)
    expect((await world.get('/@corp%2fsecret', BOB)).status).toBe(404)
    const again = await world.get(file, ALICE)
    expect(again.headers['x-catalog-source']).toBe('store')
  })

  test('nobody gets it under the name of a public package', async () => {
    await start()
    await world.get(path, ALICE)
    const got = await world.get('/fx-open/-/fx-open-1.0.0.tgz', {
      'pacote-integrity': secret.integrity,
    })
    expect(got.body.equals(open.tarball)).toBe(true)
  })

  test('nobody joins its download', async () => {
    await start()
    await world.get('/@corp%2fsecret', ALICE)
    const gate = Promise.withResolvers<void>()
    world.upstream.fault(/tgz/, { kind: 'hold', until: gate.promise }, 1)
    const mine = world.get(path, ALICE)
    await expect.poll(() => world.upstream.count(/tgz/)).toBe(1)
    const theirs = world.get(path, { ...BOB, 'pacote-integrity': secret.integrity })
    expect((await theirs).status).toBe(404)
    gate.resolve()
    expect((await mine).status).toBe(200)
  })

  test('its owner has it offline, others do not', async () => {
    await start()
    await world.get('/@corp%2fsecret', ALICE)
    await world.get(path, ALICE)
    await world.restart({ upstream: null })
    expect((await world.get(path, ALICE)).status).toBe(200)
    expect((await world.get('/@corp%2fsecret', ALICE)).status).toBe(200)
    expect((await world.get(path, BOB)).status).toBe(404)
    expect((await world.get(path)).status).toBe(404)
    expect((await world.get('/@corp%2fsecret')).status).toBe(404)
    expect(leaks()).toEqual([])
  })

  test("forgetting who may have it makes it nobody's, never everybody's", async () => {
    await start()
    await world.get('/@corp%2fsecret', ALICE)
    await world.get(path, ALICE)
    await world.gateway.stop()
    const database = await openDatabase(join(world.cachePath, 'metadata-v1.db'))
    for (const table of ['artifact_owners', 'public_names', 'packuments']) {
      database.exec(`DELETE FROM ${table}`)
    }
    database.close()
    await world.restart({ upstream: null })
    const digest = { 'pacote-integrity': secret.integrity }
    for (const who of [{}, BOB, ALICE]) {
      expect((await world.get(path, { ...digest, ...who })).status).toBe(404)
    }
    await world.restart()
    for (const who of [{}, BOB]) {
      expect((await world.get(path, { ...digest, ...who })).status).toBe(404)
    }
    // Upstream says once more that she may.
    expect((await world.get(path, ALICE)).headers['x-catalog-source']).toBe('store')
    expect(leaks()).toEqual([])
  })

  test('what a registry sends on to another server belongs to who showed credentials', async () => {
    await start({ publicRegistries: [] })
    await using storage = await startUpstream([secret])
    world.upstream.fault(/tgz/, { kind: 'redirect', to: `${storage.url}{path}` }, 1)
    expect((await world.get(path, ALICE)).status).toBe(200)
    expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
    for (const who of [{}, BOB]) {
      const got = await world.get(path, { ...who, 'pacote-integrity': secret.integrity })
      expect(got.status).toBe(404)
    }
    expect((await world.get(path, ALICE)).headers['x-catalog-source']).toBe('store')
  })

  test('a second owner gets in by upstream saying so', async () => {
    await start()
    await world.get(path, ALICE)
    world.upstream.heal()
    world.upstream.wall(/@corp/, [ALICE.authorization, BOB.authorization])
    expect((await world.get(path, BOB)).headers['x-catalog-source']).toBe('store')
  })
})

describe("with the gateway's own credentials", () => {
  const npmrc = { '//{host}/:_authToken': 'gateway-token' }

  test('private packages are fetched for local clients, and nothing of them leaves', async () => {
    await start({ npmrc })
    expect((await world.get(path)).body.equals(secret.tarball)).toBe(true)
    expect((await world.get(path)).headers['x-catalog-source']).toBe('store')
    expect(leaks()).toEqual([])
  })

  test('and kept for them without upstream', async () => {
    await start({ npmrc })
    await world.get(path)
    await world.restart({ upstream: null })
    expect((await world.get(path)).status).toBe(200)
    expect(leaks()).toEqual([])
  })

  test('public packages stay public, whatever they are asked for with', async () => {
    await start({ npmrc })
    await world.get('/fx-open/-/fx-open-1.0.0.tgz')
    expect(world.node.entry(parseDigest(open.integrity))?.visibility).toBe('public')
  })

  test('a scoped one, asked for by digest, costs one look and no metadata', async () => {
    const scoped = makePackage('@fx/scoped', '1.0.0')
    const other = makePackage('@fx/scoped', '1.1.0')
    await start({ npmrc })
    world.upstream.add(scoped, other)
    for (const { version, integrity } of [scoped, other]) {
      const file = `/@fx/scoped/-/scoped-${version}.tgz`
      expect((await world.get(file, { 'pacote-integrity': integrity })).status).toBe(200)
    }
    expect(world.upstream.seen.map(({ method }) => method)).toEqual(['HEAD', 'GET', 'GET'])
    expect(world.node.asked.every(({ peers }) => peers)).toBe(true)
    const [look] = world.upstream.seen
    expect(look?.headers.authorization).toBeUndefined()
  })

  test('with upstream out of reach, what is not known to be public is kept from peers', async () => {
    await start({ npmrc })
    await world.upstream.stop()
    await world.get(path, { 'pacote-integrity': secret.integrity })
    expect(leaks()).toEqual([])
    expect(world.node.asked).toHaveLength(1)
  })

  test('they do not act for a client: no publish, no profile', async () => {
    await start({ npmrc })
    await world.http.put('/fx-open').send({ name: 'fx-open' })
    await world.http.get('/-/npm/v1/tokens')
    await world.http.get('/-/whoami')
    expect(world.upstream.seen).toHaveLength(3)
    expect(world.upstream.seen.some(({ headers }) => headers.authorization)).toBe(false)
  })

  test('they do read about packages: audits, searches, tags', async () => {
    await start({ npmrc })
    await world.http.post('/-/npm/v1/security/advisories/bulk').send({})
    await world.http.get('/-/v1/search?text=x')
    await world.http.get('/-/package/@corp%2fsecret/dist-tags')
    await world.http.get('/@corp%2fsecret/1.0.0')
    const sent = world.upstream.seen.map(({ headers }) => headers.authorization)
    expect(sent).toEqual(Array(4).fill(MINE))
  })
})

describe('a scope marked private', () => {
  test('never reaches peers, though upstream gives it to anyone', async () => {
    await start({ privateScopes: ['@corp'] })
    world.upstream.heal()
    expect((await world.get(path)).status).toBe(200)
    expect(leaks()).toEqual([])
  })

  test('is there offline, by the digest alone, where upstream asks for no credentials', async () => {
    await start({ privateScopes: ['@corp'] })
    world.upstream.heal()
    const digest = { 'pacote-integrity': secret.integrity }
    await world.get(path, digest)
    await world.upstream.stop()
    for (const who of [{}, ALICE]) {
      const got = await world.get(path, { ...digest, ...who })
      expect(got.headers['x-catalog-source']).toBe('store')
    }
    expect(leaks()).toEqual([])
  })

  test('stays with who showed credentials', async () => {
    await start({ privateScopes: ['@corp'] })
    const digest = { 'pacote-integrity': secret.integrity }
    expect((await world.get(path, { ...digest, ...ALICE })).status).toBe(200)
    expect((await world.get(path, digest)).status).toBe(404)
    await world.upstream.stop()
    expect((await world.get(path, digest)).status).toBe(502)
    expect((await world.get(path, { ...digest, ...ALICE })).status).toBe(200)
  })
})

describe('a package that became private', () => {
  test('is not public any more once upstream says so', async () => {
    await start({ maxAgeMs: 0 })
    world.upstream.heal()
    await world.get('/@corp%2fsecret')
    world.upstream.wall(/@corp/, [ALICE.authorization])
    expect((await world.get('/@corp%2fsecret', ALICE)).status).toBe(200)
    expect((await world.get('/@corp%2fsecret')).status).toBe(404)
    await world.get(path, ALICE)
    expect(leaks()).toEqual([])
  })
})

test('an old private package with only a sha1 is for those whom upstream lets in', async () => {
  await start()
  const { dist } = world.upstream.document('@corp/secret').versions['1.0.0'] ?? { dist: {} }
  delete dist.integrity
  expect((await world.get(path, ALICE)).status).toBe(200)
  expect(world.node.entry(digestOf(secret.tarball))?.visibility).toBe('private')
  expect((await world.get(path, BOB)).status).toBe(404)
  // Upstream lets him in, and names the sha1 of the bytes at hand.
  world.upstream.heal()
  world.upstream.wall(/@corp/, [ALICE.authorization, BOB.authorization])
  expect((await world.get(path, BOB)).headers['x-catalog-source']).toBe('store')
  expect((await world.get(path)).status).toBe(404)
  expect(world.node.asked.every(({ peers }) => !peers)).toBe(true)
})

test('credentials are in no log line', async () => {
  await start({ npmrc: { '//{host}/:_authToken': 'gateway-token' }, maxAgeMs: 0 })
  await world.get('/@corp%2fsecret', ALICE)
  await world.get(path)
  world.upstream.fault(/./, { kind: 'status', status: 500 })
  await world.get('/@corp%2fsecret', ALICE)
  expect(world.logged.length).toBeGreaterThan(3)
  expect(world.logged.filter((line) => /alice-token|gateway-token/.test(line))).toEqual([])
})
