/**
 * A registry that can't say which bytes a version has (its documents fail, it is slow, it limits its clients) still gives them:
 * then the tarball itself tells whether what a peer gave is the registry's.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, parseDigest } from '@catalog-p2p/core'
import {
  incompressibleBytes,
  makePackage,
  type FixturePackage,
} from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import type { Plain } from '../../../../test/support/registries/upstream.ts'

const small = makePackage('fx-small', '1.0.0')
const other = makePackage('fx-other', '1.0.0')
const evil = makePackage('fx-small', '1.0.0', { scripts: { install: 'evil' } })
const short = makePackage('fx-small', '1.0.0', { description: '' })
const bigFile = [{ path: 'big.bin', content: incompressibleBytes(600_000, 'evil') }]
const bigEvil = makePackage('fx-small', '1.0.0', {}, bigFile)
const path = '/fx-small/-/fx-small-1.0.0.tgz'
const DOCUMENT = /fx-small\/1\.0\.0$/
const METADATA = /fx-small(\/1\.0\.0)?$/
const by = ({ integrity }: FixturePackage) => ({ 'pacote-integrity': integrity })
const status = (code: number): Plain => ({ kind: 'status', status: code, body: '{}' })
const busy: Plain = { ...status(429), headers: { 'retry-after': '0' } } as Plain

let world: GatewayWorld
async function start(unboundDigests: 'allow' | 'refuse'): Promise<void> {
  world = await gatewayWorld({ packages: [small, other], unboundDigests })
}
afterEach(() => world[Symbol.asyncDispose]())

function peerHolds(...packages: FixturePackage[]): void {
  for (const { integrity, tarball } of packages) {
    world.node.peerHolds.set(parseDigest(integrity), tarball)
  }
}
const paths = (): string[] => world.upstream.seen.map(({ url }) => url)

describe.each(['allow', 'refuse'] as const)('(%s) what a peer gives counts', (unbound) => {
  beforeEach(() => start(unbound))

  test.each([500, 503])('when the packument names it and the document fails: %i', async (code) => {
    world.upstream.fault(DOCUMENT, status(code))
    peerHolds(small, evil)
    expect((await world.get(path, by(small))).headers['x-catalog-source']).toBe('peer')
    expect(paths()).not.toContain(path)
    expect(digestOf((await world.get(path, by(evil))).body)).toBe(small.integrity)
  })

  test.each([
    ['all metadata fails', METADATA, status(503)],
    ['metadata is limited', METADATA, busy],
    ['metadata cannot be read', METADATA, { kind: 'body', body: 'a page' } as const],
  ])('when the tarball is the same: %s', async (_, match, fault) => {
    world.upstream.fault(match, fault)
    peerHolds(small)
    const got = await world.get(path, by(small))
    expect(got.status).toBe(200)
    expect(got.headers['x-catalog-source']).toBe('peer')
    expect(got.body.equals(small.tarball)).toBe(true)
    // And it is remembered.
    await world.upstream.stop()
    expect((await world.get(path, by(small))).status).toBe(200)
  })

  test.each([
    ['longer', bigEvil],
    ['other', evil],
    ['shorter', short],
  ])('and never when the tarball is not it: it is %s', async (_, swapped) => {
    world.upstream.fault(METADATA, status(503))
    peerHolds(swapped)
    const got = await world.get(path, by(swapped)).catch(() => undefined)
    expect(got?.body.equals(swapped.tarball)).not.toBe(true)
    // Now that it is in the store.
    expect(digestOf((await world.get(path, by(swapped))).body)).toBe(small.integrity)
    expect(world.logged.some((line) => line.includes('binding.mismatch'))).toBe(true)
  })

  test('after a connection to its registry broke', async () => {
    world.upstream.fault(/fx-other/, { kind: 'reset' })
    expect((await world.get('/fx-other/-/fx-other-1.0.0.tgz')).status).toBe(502)
    peerHolds(small, evil)
    expect((await world.get(path, by(small))).headers['x-catalog-source']).toBe('peer')
    expect(digestOf((await world.get(path, by(evil))).body)).toBe(small.integrity)
  })

  test('a limit is not met with more questions about metadata', async () => {
    world.upstream.fault(DOCUMENT, busy)
    peerHolds(small)
    expect((await world.get(path, by(small))).status).toBe(200)
    expect(paths()).not.toContain('/fx-small')
  })

  test('documents that failed once are asked for again', async () => {
    world.upstream.fault(DOCUMENT, status(503), 2)
    peerHolds(small, other)
    await world.get(path, by(small))
    await world.get('/fx-other/-/fx-other-1.0.0.tgz', by(other))
    expect(paths()).toContain('/fx-other/1.0.0')
  })
})

describe('where the registry says nothing and gives nothing', () => {
  test.each([
    ['allow', 200],
    ['refuse', 502],
  ] as const)('%s: %i', async (unbound, code) => {
    await start(unbound)
    world.upstream.fault(/fx-small/, status(503))
    peerHolds(small)
    expect((await world.get(path, by(small))).status).toBe(code)
  })
})
