import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGroup, addressIn, ipGroup, isRelayGroup, networkOf } from './address-group.ts'

const RELAYED = '/ip4/203.0.113.7/tcp/4875/p2p/12D3KooRelay/p2p-circuit/p2p/12D3KooPeer'

describe('address group', () => {
  it('is the address in IPv4, whatever the port and transport', () => {
    expect(addressGroup('/ip4/203.0.113.7/udp/4875/quic-v1/p2p/12D3Koo')).toBe('203.0.113.7')
    expect(addressGroup('/ip4/203.0.113.7/tcp/1')).toBe('203.0.113.7')
    expect(addressGroup('/ip4/203.0.113.8/tcp/1')).not.toBe('203.0.113.7')
  })

  it('is the network of 64 bits in IPv6, however it is spelt', () => {
    const spellings = ['2001:db8:0:7::1', '2001:DB8::7:ffff:0:0:1', '2001:0db8:0000:0007:a:b:c:d']
    expect(new Set(spellings.map((ip) => addressGroup(`/ip6/${ip}/udp/1/quic-v1`)))).toEqual(
      new Set(['2001:db8:0:7::/64']),
    )
    expect(ipGroup('2001:db8:0:8::1')).toBe('2001:db8:0:8::/64')
  })

  it('is the IPv4 address of one that a socket for both families shows in IPv6', () => {
    expect(ipGroup('::ffff:203.0.113.7')).toBe('203.0.113.7')
    expect(ipGroup('::ffff:cb00:7107')).toBe('203.0.113.7')
  })

  it('does not join the machines of a link by the prefix that all links have', () => {
    expect(ipGroup('fe80::1%eth0')).toBe('fe80::1')
    expect(ipGroup('fe80::1%eth0')).not.toBe(ipGroup('fe80::2%eth0'))
    expect(addressGroup('/ip6zone/eth0/ip6/fe80::1/tcp/1')).toBe('fe80::1')
  })

  it('keeps those behind a relay apart from the relay', () => {
    expect(addressGroup(RELAYED)).toBe('relay 203.0.113.7')
    expect(isRelayGroup(addressGroup(RELAYED))).toBe(true)
    expect(isRelayGroup('203.0.113.7')).toBe(false)
  })

  it('makes a group of its own of what is no IP address', () => {
    expect(addressGroup('/memory/a')).toBe('memory a')
    expect(addressGroup('/dns4/example/tcp/1')).toBe('dns4 example')
    expect(addressGroup('nonsense')).toBe(' ')
    expect(ipGroup('nonsense')).toBeUndefined()
  })

  it('has an address to ask about', () => {
    for (const address of [
      '/ip4/203.0.113.7/tcp/1',
      '/ip6/2001:db8:0:7::1/tcp/1',
      '/ip6/::1/tcp/1',
    ]) {
      const group = addressGroup(address)
      expect(ipGroup(addressIn(group) ?? '')).toBe(group)
    }
    expect(addressIn(addressGroup(RELAYED))).toBeUndefined()
    expect(addressIn('memory a')).toBeUndefined()
    expect(networkOf('2001:db8:0:7::/64')).toBe('2001:db8:0:7::')
    expect(networkOf('203.0.113.7')).toBeUndefined()
    expect(networkOf('::1')).toBeUndefined()
  })

  it('never looks at the lower half of an IPv6 address, nor away from the upper', () => {
    const hextet = fc.integer({ min: 1, max: 0xfe00 })
    const half = fc.array(hextet, { minLength: 4, maxLength: 4 })
    const ip = (high: number[], low: number[]): string =>
      [...high, ...low].map((part) => part.toString(16)).join(':')
    fc.assert(
      fc.property(half, half, half, (network, one, other) => {
        expect(ipGroup(ip(network, one))).toBe(ipGroup(ip(network, other)))
        const next = network.with(3, (network[3] ?? 0) + 1)
        expect(ipGroup(ip(next, one))).not.toBe(ipGroup(ip(network, one)))
      }),
    )
  })
})
