/** What upstream said of one version, when upstream is gone: what it gave to anyone, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { KeptAnswers } from './kept-answers.ts'

const one = makePackage('fx-one', '1.0.0')
const ATTESTATIONS = '/-/npm/v1/attestations/fx-one@1.0.0'
const STATEMENT = '{"attestations":[{"predicateType":"a"}]}'

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one] })
  serveMore()
})
afterEach(() => world[Symbol.asyncDispose]())

/** Tags and attestations. */
function serveMore(): void {
  world.upstream.otherwise = ({ url }, res) => {
    const document = world.upstream.document('fx-one').versions['1.0.0']
    const body = url.includes('attestations') ? STATEMENT : JSON.stringify(document)
    res.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }
}

async function versionAt(path: string): Promise<string | undefined> {
  const got = await world.http.get(path).set('user-agent', 'corepack/0.34.0')
  expect(got.status).toBe(200)
  return (got.body as { dist: { tarball?: string } }).dist.tarball
}

describe('with upstream gone', () => {
  test.each(['/fx-one/1.0.0', '/fx-one/latest'])('%s is there after a restart', async (path) => {
    const before = await versionAt(path)
    await world.restart()
    await world.upstream.stop()
    const after = await versionAt(path)
    expect(new URL(after ?? '').pathname).toBe(new URL(before ?? '').pathname)
    expect(after).toContain(world.url)
  })

  test('attestations are', async () => {
    await world.get(ATTESTATIONS)
    await world.upstream.stop()
    const got = await world.get(ATTESTATIONS)
    expect(got.body.toString()).toBe(STATEMENT)
    expect(got.headers['x-catalog-source']).toBe('store')
    expect((await world.http.head(ATTESTATIONS)).status).toBe(200)
    expect((await world.get('/-/npm/v1/attestations/fx-one@2.0.0')).status).not.toBe(200)
  })

  test('with peers only, and with an upstream in trouble, too', async () => {
    await world.get(ATTESTATIONS)
    world.upstream.fault(/attestations/, { kind: 'status', status: 503 })
    expect((await world.get(ATTESTATIONS)).body.toString()).toBe(STATEMENT)
    await world.restart({ upstream: null, publicRegistries: [world.upstream.url] })
    // Where it belongs is what npm's configuration says.
    expect((await world.get(ATTESTATIONS)).body.toString()).toBe(STATEMENT)
  })
})

describe('upstream is asked while it answers', () => {
  test('so that a moved tag is seen', async () => {
    await world.get('/fx-one/latest')
    const moved = makePackage('fx-one', '2.0.0')
    world.upstream.add(moved)
    world.upstream.otherwise = (_request, res) =>
      void res
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(world.upstream.document('fx-one').versions['2.0.0']))
    expect(await versionAt('/fx-one/latest')).toContain('2.0.0')
  })
})

describe('nothing is kept', () => {
  test.each([
    ['of a package that is marked as private', { privateScopes: ['fx-one'] }],
    ['of a registry that is not public', { publicRegistries: [] }],
  ])('%s', async (_, options) => {
    await world.restart(options)
    await world.get(ATTESTATIONS)
    await world.get('/fx-one/1.0.0')
    await world.upstream.stop()
    expect((await world.get(ATTESTATIONS)).status).not.toBe(200)
    expect((await world.get('/fx-one/1.0.0')).status).not.toBe(200)
  })

  test('that was given to credentials', async () => {
    const authorization = 'Bearer mine'
    await world.get(ATTESTATIONS, { authorization })
    await world.upstream.stop()
    expect((await world.get(ATTESTATIONS, { authorization })).status).not.toBe(200)
  })

  test('any more once the package has changed', async () => {
    await world.get('/fx-one/latest')
    await fetch(`${world.url}/fx-one`, { method: 'PUT', body: '{}' })
    await world.upstream.stop()
    expect((await world.get('/fx-one/latest')).status).not.toBe(200)
  })
})

test('the table is bounded', async () => {
  const database = await openDatabase(':memory:')
  const kept = new KeptAnswers(database, { maxBytes: 100_000 })
  const key = (index: number) => ({ registry: 'r', name: `n${index}`, what: '1.0.0' })
  for (let index = 0; index < 2_000; index += 1) {
    kept.put(key(index), { type: 'application/json', body: Buffer.alloc(100) })
  }
  const count = Array.from({ length: 2_000 }, (_, index) => kept.find(key(index))).filter(
    (found) => found !== undefined,
  ).length
  expect(count).toBeLessThanOrEqual(1_000)
  expect(count).toBeGreaterThan(0)
  expect(kept.find(key(1_999))?.body.byteLength).toBe(100)
  database.close()
})
