import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import type { PeerConnection } from '../host/host.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import type { Clock } from '../timing/clock.ts'
import { createFleet, type Fleet } from './fleet.ts'

const version = { registry: 'http://registry.test/', name: 'pkg', version: '1.0.0' }
const connection: PeerConnection = {
  ...{ peer: 'other', address: '/ip4/192.0.2.1/tcp/4875', group: '192.0.2.1' },
  ...{ direction: 'inbound', transport: 'tcp', connectedAtMs: 0 },
}

function fleetBeside(clock: Clock): Fleet {
  return createFleet(
    {
      host: { id: 'me', peers: () => [connection] },
      scores: { isBanned: () => false },
      ...{ clock, isNeighbour: () => true, isCertified: () => false },
    },
    { fleet: true },
  )
}

test('errands of one machine are bounded whatever streams they come by, and count until they are over', async () => {
  const fleet = fleetBeside(createFakeClock())
  const { promise, resolve } = Promise.withResolvers<Digest>()
  fleet.serve(() => promise)
  const digest = digestOf(Buffer.from('pkg'))
  const leaving = new AbortController()
  const ask = () => fleet.fetchFor('other', { version, digest }, { signal: leaving.signal })
  const begun = Array.from({ length: 64 }, ask)
  leaving.abort()
  await expect(ask()).rejects.toMatchObject({ code: 'PEER_BUSY' })
  resolve(digest)
  await Promise.all(begun)
  expect(await ask()).toBe(digest)
})

test('who keeps others waiting for long is left out for longer each time, though it gives now and then', async () => {
  const clock = createFakeClock()
  const fleet = fleetBeside(clock)
  const leftOutMs = async (): Promise<number> => {
    expect(fleet.delegateOf(version)).toBe('other')
    fleet.missed('other', 'slow')
    const isBack = (): boolean => fleet.delegateOf(version) !== undefined
    const ms = await clock.advanceUntil(isBack, { maxMs: 3_600_000, stepMs: 1_000 })
    fleet.succeeded('other')
    return ms
  }
  expect([await leftOutMs(), await leftOutMs(), await leftOutMs()]).toEqual([10e3, 20e3, 40e3])
  await clock.advance(3_600_000)
  fleet.succeeded('other')
  expect(await leftOutMs()).toBe(10e3)
})
