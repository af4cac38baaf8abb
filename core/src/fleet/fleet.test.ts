import { expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import type { PeerConnection } from '../host/host.ts'
import { createFleet } from './fleet.ts'

const version = { registry: 'http://registry.test/', name: 'pkg', version: '1.0.0' }
const connection: PeerConnection = {
  ...{ peer: 'other', address: '/ip4/192.0.2.1/tcp/4875', group: '192.0.2.1' },
  ...{ direction: 'inbound', transport: 'tcp', connectedAtMs: 0 },
}

test('who keeps others waiting for long is left out for longer each time, though it gives now and then', async () => {
  const clock = createFakeClock()
  const fleet = createFleet(
    {
      host: { id: 'me', peers: () => [connection] },
      scores: { isBanned: () => false },
      ...{ clock, isNeighbour: () => true, isCertified: () => false },
    },
    { fleet: true },
  )
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
