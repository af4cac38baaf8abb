import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createConnectionGater } from './connection-gate.ts'
import { addressGroup } from '../limits/address-group.ts'
import type { IpFamily } from './listen-addresses.ts'

const PEER = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'

function isDialDenied(address: string, families: readonly IpFamily[] = [4, 6]): unknown {
  const gater = createConnectionGater({
    isDenied: () => false,
    groupOf: () => '203.0.113.1',
    families,
    ownSockets: () => new Set(['172.17.0.1 udp 4875', '172.17.0.1 tcp 4875']),
  })
  return gater.denyDialMultiaddr?.(multiaddr(address))
}

describe('connection gate', () => {
  it('never dials our own listeners, which other machines may have too', () => {
    expect(isDialDenied('/ip4/172.17.0.1/udp/4875/quic-v1')).toBe(true)
    expect(isDialDenied('/ip4/172.17.0.1/tcp/4875')).toBe(true)
    expect(isDialDenied('/ip4/172.17.0.1/tcp/4876')).toBe(false)
    expect(isDialDenied('/ip4/172.17.0.2/tcp/4875')).toBe(false)
  })

  it('dials only families that are switched on, of relays too', () => {
    expect(isDialDenied('/ip4/1.2.3.4/tcp/1', [6])).toBe(true)
    expect(isDialDenied(`/ip4/1.2.3.4/tcp/1/p2p/${PEER}/p2p-circuit`, [6])).toBe(true)
    expect(isDialDenied('/ip6/2001:db8::1/tcp/1', [6])).toBe(false)
    expect(isDialDenied('/ip6/2001:db8::1/tcp/1', [4])).toBe(true)
  })

  it('does not dial link-local addresses, which need an interface', () => {
    expect(isDialDenied('/ip6/fe80::1/tcp/1')).toBe(true)
    expect(isDialDenied('/ip4/169.254.1.1/tcp/1')).toBe(true)
  })

  it('asks about peers in and out', () => {
    const gater = createConnectionGater({
      isDenied: (peer, group) => peer === PEER && group !== '203.0.113.2',
      groupOf: (address) => addressGroup(address.toString()),
      families: [4, 6],
      ownSockets: () => new Set(),
    })
    const peer = peerIdFromString(PEER)
    expect(gater.denyDialPeer?.(peer)).toBe(true)
    type Arriving = Parameters<NonNullable<typeof gater.denyInboundEncryptedConnection>>[1]
    const from = (ip: string): Arriving =>
      ({ remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`) }) as Arriving
    expect(gater.denyInboundEncryptedConnection?.(peer, from('203.0.113.1'))).toBe(true)
    expect(gater.denyOutboundEncryptedConnection?.(peer, from('203.0.113.1'))).toBe(true)
    expect(gater.denyInboundEncryptedConnection?.(peer, from('203.0.113.2'))).toBe(false)
  })
})
