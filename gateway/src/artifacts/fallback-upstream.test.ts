/** A second registry gives tarballs of known digest where the first one fails, and hears of nothing else. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import {
  gatewayWorld,
  type GatewayWorld,
  type WorldOptions,
} from '../../../test/support/gateway-world.ts'
import { startUpstream, type FaultyUpstream } from '../../../test/support/registries/upstream.ts'

const open = makePackage('left-pad', '1.0.0')
const scoped = makePackage('@acme/tool', '1.0.0')
const paid = makePackage('@corp/lib', '1.0.0')
const fileOf = ({ name }: { name: string }): string =>
  `/${name}/-/${name.split('/').at(-1) ?? ''}-1.0.0.tgz`
const hashOf = ({ integrity }: { integrity: string }) => ({ 'pacote-integrity': integrity })

let world: GatewayWorld
let second: FaultyUpstream
async function start(options: WorldOptions = {}): Promise<void> {
  world = await gatewayWorld({
    ...{ packages: [open, scoped, paid], fallbackUpstream: second.url, upstreamRetries: 0 },
    npmrc: { '//{host}/:_authToken': 'users-secret' },
    ...{ privateScopes: ['@acme'], ...options },
  })
}
beforeEach(async () => {
  second = await startUpstream([open, scoped, paid])
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await second[Symbol.asyncDispose]()
})

const failures = [
  ['is down', () => world.upstream.stop()],
  ['stumbles', () => world.upstream.fault(/tgz/, { kind: 'status', status: 503 })],
  ['is asked too much', () => world.upstream.fault(/tgz/, { kind: 'status', status: 429 })],
] as const

test.each(failures)(
  'gives what a lockfile names by its hash where the first %s',
  async (_, fail) => {
    await start()
    await fail()
    const got = await world.get(fileOf(open), hashOf(open))
    expect(got.status).toBe(200)
    expect(got.body.equals(open.tarball)).toBe(true)
    expect(second.seen.map(({ url }) => url)).toEqual([fileOf(open)])
    expect(second.seen[0]?.headers.authorization).toBeUndefined()
  },
)

test('gives what metadata that is here names by its hash', async () => {
  await start()
  expect((await world.get('/left-pad')).status).toBe(200)
  await world.upstream.stop()
  expect((await world.get(fileOf(open))).body.equals(open.tarball)).toBe(true)
  expect(second.seen.map(({ url }) => url)).toEqual([fileOf(open)])
})

test('gives it where there is no first one', async () => {
  await start({ upstream: null })
  expect((await world.get(fileOf(open), hashOf(open))).body.equals(open.tarball)).toBe(true)
  expect(world.upstream.seen).toEqual([])
})

test('is not asked for metadata, nor for what has no hash, nor for what the first one refuses', async () => {
  await start()
  for (const status of [403, 404]) {
    world.upstream.fault(/left-pad/, { kind: 'status', status })
    await world.get(fileOf(open), hashOf(open))
  }
  await world.upstream.stop()
  expect((await world.get('/left-pad')).status).toBeGreaterThanOrEqual(500)
  expect((await world.get(fileOf(open))).status).toBeGreaterThanOrEqual(500)
  expect(second.seen).toEqual([])
})

test('never hears of what is private', async () => {
  await start()
  await world.upstream.stop()
  for (const one of [scoped, paid]) {
    expect((await world.get(fileOf(one), hashOf(one))).status).toBeGreaterThanOrEqual(400)
  }
  expect(second.seen).toEqual([])
})

test('gives no other bytes than those of that hash', async () => {
  await start()
  await world.upstream.stop()
  second.fault(/tgz/, { kind: 'wrong-bytes' })
  await expect(
    world.get(fileOf(open), hashOf(open)).then(({ status }) => expect(status).toBe(200)),
  ).rejects.toThrow()
  expect(world.node.has(digestOf(open.tarball))).toBe(false)
})

test('a URL with credentials in it is refused', async () => {
  await expect(start({ fallbackUpstream: 'http://a:b@127.0.0.1:1/' })).rejects.toThrow(
    'without credentials',
  )
  await start()
})
