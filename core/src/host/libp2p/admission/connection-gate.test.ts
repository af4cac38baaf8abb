import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createAddressRule } from '../addresses/address-rule.ts'
import { createConnectionGater } from './connection-gate.ts'
import { addressGroup } from '../../../limits/address-group.ts'
import type { IpFamily } from '../listen-addresses.ts'

const PEER = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const SELF = '12D3KooWCu8JzQByN7EzzyAwDVq3uFyNEfbmteHdesKmacyRu6ao'
const STRANGER = '12D3KooWPNy7baEeyUa5jGH64Y7ALxcE2CWQWkG6T1Dva6ytFx6q'
const NETWORK = { self: SELF, connectionsOf: () => [] }

function isDialDenied(address: string, families: readonly IpFamily[] = [4, 6]): unknown {
  // Docker's network, as this machine has it, too.
  const rule = createAddressRule({
    networksOf: (ip) => new Set(ip.startsWith('172.17.') ? ['docker0'] : []),
  })
  rule.heardFrom('172.17.0.9', [multiaddr(address)])
  const gater = createConnectionGater({
    ...NETWORK,
    rule,
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

  it('keeps and dials only what was said by who may say it, but of itself all that is its own', () => {
    const rule = createAddressRule({
      networksOf: (ip) => new Set(ip.startsWith('192.168.1.') ? ['eth0'] : []),
    })
    const ofPeer = ['/ip4/203.0.113.1/tcp/1', '/ip4/192.168.1.9/tcp/1']
    const gater = createConnectionGater({
      ...{ self: SELF, rule, isDenied: () => false, families: [4, 6], ownSockets: () => new Set() },
      groupOf: () => '203.0.113.1',
      connectionsOf: (peer) =>
        peer.toString() === PEER ? ofPeer.map((one) => multiaddr(one)) : [],
    })
    const isKept = (peer: string, address: string): unknown =>
      gater.filterMultiaddrForPeer?.(peerIdFromString(peer), multiaddr(address))
    const neighbour = multiaddr('/ip4/192.168.1.8/udp/4875/quic-v1')
    expect(gater.denyDialMultiaddr?.(neighbour)).toBe(true)
    expect(isKept(STRANGER, neighbour.toString())).toBe(false)
    expect(isKept(PEER, neighbour.toString())).toBe(true)
    expect(gater.denyDialMultiaddr?.(neighbour)).toBe(false)
    expect(isKept(PEER, '/ip4/127.0.0.1/tcp/6379')).toBe(false)
    expect(isKept(SELF, '/ip4/127.0.0.1/tcp/4875')).toBe(true)
  })

  it('asks about peers in and out', () => {
    const gater = createConnectionGater({
      ...NETWORK,
      rule: createAddressRule({ networksOf: () => new Set() }),
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
