/**
 * A registry may show strangers another one's package of the same name. What it told them is nothing that who has credentials
 * is ever given: not when it stumbles, not by a hash, not by the name alone.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import { startUpstream, type FaultyUpstream } from '../../../../test/support/registries/upstream.ts'

const ours = makePackage('corp-lib', '1.0.0')
const swapped = makePackage('corp-lib', '1.0.0', { description: 'of somebody else' })
const newer = makePackage('corp-lib', '9.9.9')
const ALICE = { authorization: 'Bearer alice-token' }
const file = ({ version }: { version: string }): string => `/corp-lib/-/corp-lib-${version}.tgz`

let world: GatewayWorld
let elsewhere: FaultyUpstream
beforeEach(async () => {
  elsewhere = await startUpstream([swapped, newer])
  world = await gatewayWorld({ packages: [ours], publicRegistries: [] })
  world.upstream.wall(/corp-lib/, [ALICE.authorization], {
    ...{ kind: 'redirect', to: `${elsewhere.url}{path}` },
  })
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await elsewhere[Symbol.asyncDispose]()
})

test('their metadata is not what a registry that stumbles has said', async () => {
  expect((await world.get('/corp-lib')).body.toString()).toContain('9.9.9')
  world.upstream.fault(/corp-lib/, { kind: 'status', status: 503 })
  for (const path of ['/corp-lib', file(newer)]) {
    expect((await world.get(path, ALICE)).status).toBe(503)
  }
  world.upstream.heal()
  expect((await world.get('/corp-lib', ALICE)).body.toString()).not.toContain('9.9.9')
})

describe('their bytes, once they were given them,', () => {
  beforeEach(async () => {
    for (const theirs of [swapped, newer]) {
      expect((await world.get(file(theirs))).body.equals(theirs.tarball)).toBe(true)
    }
  })

  test.each(['by its hash', 'by its name'])('are not that version %s', async (how) => {
    for (const theirs of [swapped, newer]) {
      const hash = { 'pacote-integrity': theirs.integrity }
      const got = await world.get(file(theirs), { ...ALICE, ...(how === 'by its hash' && hash) })
      if (theirs === newer) expect(got.status).toBe(404)
      else expect(digestOf(got.body)).toBe(ours.integrity)
    }
  })

  test('are theirs over a restart, without asking again', async () => {
    await world.restart()
    world.upstream.forget()
    const got = await world.get(file(newer), { 'pacote-integrity': newer.integrity })
    expect(got.headers['x-catalog-source']).toBe('store')
    expect(world.upstream.count(/tgz/)).toBe(0)
  })
})
