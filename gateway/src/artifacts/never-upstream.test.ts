/** A request with `x-catalog-upstream: never`: no registry hears of it, and what is private stays so. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'

const small = makePackage('fx-small', '1.0.0')
const scoped = makePackage('@fx/scoped', '2.0.0')
const path = '/fx-small/-/fx-small-1.0.0.tgz'
const scopedPath = '/@fx/scoped/-/scoped-2.0.0.tgz'
const never = { 'x-catalog-upstream': 'never' }
const byHash = (of: typeof small) => ({ ...never, 'pacote-integrity': of.integrity })

let world: GatewayWorld
afterEach(() => world[Symbol.asyncDispose]())

describe('with a registry behind the gateway', () => {
  beforeEach(async () => {
    world = await gatewayWorld({ packages: [small, scoped] })
  })

  test('a tarball by its hash comes from a peer, or from the store, or not at all', async () => {
    const nobody = await world.http.get(path).set(byHash(small))
    expect(nobody.status).toBe(404)
    expect(nobody.body.code).toBe('NO_PROVIDERS')
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    const first = await world.get(path, byHash(small))
    expect(first.headers['x-catalog-source']).toBe('peer')
    expect(first.body.equals(small.tarball)).toBe(true)
    world.node.peerHolds.clear()
    expect((await world.get(path, byHash(small))).headers['x-catalog-source']).toBe('store')
    expect(world.upstream.seen).toEqual([])
  })

  test('metadata comes from the cache, however old, or not at all', async () => {
    const nobody = await world.http.get('/fx-small').set(never)
    expect(nobody.status).toBe(404)
    expect(nobody.body.error).toContain('the request lets it ask no upstream')
    expect((await world.http.get(path).set(never)).status).toBe(404)
    expect(world.upstream.seen).toEqual([])

    await world.get('/fx-small')
    await world.restart({ maxAgeMs: 0 })
    world.upstream.forget()
    const kept = await world.http.get('/fx-small').set(never)
    expect(Object.keys((kept.body as { versions: object }).versions)).toEqual(['1.0.0'])
    expect(kept.headers['cache-control']).toContain('no-cache')
    // So the hash is known, and a tarball can do without one in the request.
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    expect((await world.get(path, never)).headers['x-catalog-source']).toBe('peer')
    expect(world.upstream.seen).toEqual([])
  })

  test.each([
    ['/fx-small', 'x-catalog-upstream can only be'],
    ['/-/ping', 'is for GET and HEAD of metadata and tarballs'],
    ['/-/package/fx-small/dist-tags', 'is for GET and HEAD of metadata and tarballs'],
    ['/-/catalog/health', 'is for GET and HEAD of metadata and tarballs'],
    ['/fx-small?write=true', 'is for GET and HEAD of metadata and tarballs'],
  ])('what cannot be promised is refused: %s', async (url, words) => {
    const value = words.endsWith('only be') ? 'sometimes' : 'never'
    const got = await world.http.get(url).set({ 'x-catalog-upstream': value })
    expect(got.status).toBe(400)
    expect(got.body.error).toContain(words)
    expect(world.upstream.seen).toEqual([])
  })
})

describe('with credentials for the registry', () => {
  const npmrc = { '//{host}/:_authToken': 'daemon', '@fx:registry': '{upstream}' }

  test('a hash that no registry was asked about is looked for among peers', async () => {
    world = await gatewayWorld({ packages: [small], npmrc })
    world.node.peerHolds.set(parseDigest(small.integrity), small.tarball)
    expect((await world.get(path, byHash(small))).status).toBe(200)
    expect(world.upstream.seen).toEqual([])
  })

  test('what is private is neither asked of peers nor given to strangers', async () => {
    world = await gatewayWorld({ packages: [scoped] })
    world.upstream.wall(/scoped/, ['Bearer jane'])
    const jane = { authorization: 'Bearer jane' }
    await world.get('/@fx/scoped', jane)
    expect((await world.get(scopedPath, jane)).status).toBe(200)
    const { length } = world.upstream.seen
    expect((await world.get(scopedPath, byHash(scoped))).status).toBe(404)
    expect((await world.get(scopedPath, never)).status).toBe(404)
    expect((await world.get('/@fx/scoped', never)).status).toBe(404)
    // Under another name the bytes are the same.
    expect((await world.get(path, byHash(scoped))).status).toBe(404)
    expect((await world.get(scopedPath, { ...byHash(scoped), ...jane })).status).toBe(200)
    expect(world.upstream.seen).toHaveLength(length)
    world.node.stored.clear()
    world.node.peerHolds.set(parseDigest(scoped.integrity), scoped.tarball)
    expect((await world.get(scopedPath, { ...byHash(scoped), ...jane })).status).toBe(404)
    expect(world.node.asked.filter(({ peers }) => peers)).toEqual([])
  })

  test('a scope marked private stays off the network', async () => {
    world = await gatewayWorld({ packages: [scoped], privateScopes: ['@fx'] })
    world.node.peerHolds.set(parseDigest(scoped.integrity), scoped.tarball)
    expect((await world.get(scopedPath, byHash(scoped))).status).toBe(404)
    expect(world.node.asked.filter(({ peers }) => peers)).toEqual([])
  })
})
