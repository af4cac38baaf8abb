/** What the registry has removed is denied where that is wanted, also from the store, until the registry has it again. */
import { afterEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { tarballPath } from '../../../test/support/registries/registry.ts'

const kept = makePackage('fx-down', '1.0.0')
const removed = makePackage('fx-down', '1.1.0')

let world: GatewayWorld
afterEach(async () => {
  await world[Symbol.asyncDispose]()
})

async function open(takedown: 'off' | 'deny'): Promise<void> {
  world = await gatewayWorld({ packages: [kept, removed], takedown, maxAgeMs: 0 })
  modified('2026-01-01T00:00:00.000Z')
  expect((await world.get('/fx-down')).status).toBe(200)
  expect((await world.get(tarballPath(removed))).status).toBe(200)
}

function modified(at: string): void {
  const document = world.upstream.document('fx-down')
  document.time.modified = at
}

/** As the registry's metadata has it from now on, and asked for once. */
async function remove(at: string): Promise<object> {
  const document = world.upstream.document('fx-down')
  const manifest = document.versions['1.1.0']
  delete document.versions['1.1.0']
  modified(at)
  await world.get('/fx-down', { 'cache-control': 'no-cache' })
  if (manifest === undefined) throw new Error('it was there')
  return manifest
}

test('a removed version is denied, and given out when the registry has it again', async () => {
  await open('deny')
  const manifest = await remove('2026-02-01T00:00:00.000Z')
  const { status, body } = await world.get(tarballPath(removed), {
    'pacote-integrity': removed.integrity,
  })
  expect(status).toBe(403)
  expect(body.toString()).toContain('removed from its registry, which had it before')
  expect((await world.get(tarballPath(kept))).status).toBe(200)
  Object.assign(world.upstream.document('fx-down').versions, { '1.1.0': manifest })
  modified('2026-03-01T00:00:00.000Z')
  await world.get('/fx-down', { 'cache-control': 'no-cache' })
  expect((await world.get(tarballPath(removed))).status).toBe(200)
})

test('an older document, as a cache before the registry may give it, takes nothing down', async () => {
  await open('deny')
  await remove('2025-12-01T00:00:00.000Z')
  expect((await world.get(tarballPath(removed))).status).not.toBe(403)
})

test('without the rule nothing is denied', async () => {
  await open('off')
  await remove('2026-02-01T00:00:00.000Z')
  expect((await world.get(tarballPath(removed))).status).not.toBe(403)
})
