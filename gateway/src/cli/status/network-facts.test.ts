import type { NetworkStats } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { NO_NETWORK } from '../../../../test/support/machines/no-network.ts'
import { networkFacts } from './network-facts.ts'

const RELAYED = '/p2p/Relay/p2p-circuit/p2p/Us'

function shown(stats: Partial<NetworkStats>): Record<string, string> {
  return Object.fromEntries(networkFacts({ ...NO_NETWORK, ...stats }))
}

test('says from where the node has been reached, and how else it can be', () => {
  expect(shown({})).toEqual({ reached: 'by nobody directly, as yet', DHT: 'off' })
  expect(
    shown({
      relayed: [`/ip4/5.5.5.5/tcp/1${RELAYED}`, `/ip4/5.5.5.5/udp/1/quic-v1${RELAYED}`],
      relayReservations: 3,
    }),
  ).toMatchObject({
    reached: 'by nobody directly, as yet; through 1 relay',
    'relays for': '3 peers',
  })
  expect(shown({ reachedFrom: 'public', mapped: ['/ip4/5.5.5.5/tcp/9'] }).reached).toBe(
    'directly from the internet; at /ip4/5.5.5.5/tcp/9, which the router has opened',
  )
})

test('says what the DHT does, and when it sleeps', () => {
  expect(shown({ dht: 'server', announceBacklog: 1 }).DHT).toBe(
    'server (answers others), 1 announcement waiting',
  )
  const asleep = { dht: 'client', announceBacklog: 200, announceFailures: 7 } as const
  expect(shown({ ...asleep, isAnnounceFailing: true }).DHT).toBe(
    'client (only asks), 200 announcements waiting, 7 failed: NOBODY TAKES THEM NOW',
  )
})

test('says nothing of a daemon that says nothing', () => {
  expect(networkFacts(undefined)).toEqual([])
})
