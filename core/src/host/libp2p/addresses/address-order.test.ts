import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { compareAddresses, transportOf } from './address-order.ts'

const RELAY = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'

const isLocal = (ip: string): boolean => ip.startsWith('192.168.1.')

describe('address order', () => {
  it('dials QUIC before TCP, near before far, relays last', () => {
    const inOrder = [
      '/ip4/192.168.1.77/udp/4875/quic-v1',
      '/ip4/192.168.1.77/tcp/4875',
      '/ip4/8.8.8.8/udp/4875/quic-v1',
      '/ip4/8.8.8.8/tcp/4875',
      '/ip4/172.17.0.1/udp/4875/quic-v1',
      '/ip4/172.17.0.1/tcp/4875',
      '/ip4/127.0.0.1/udp/4875/quic-v1',
      '/ip4/127.0.0.1/tcp/4875',
      `/ip4/192.168.1.77/udp/4875/quic-v1/p2p/${RELAY}/p2p-circuit`,
    ]
    const sorted = [...inOrder]
      .reverse()
      .map((text) => multiaddr(text))
      .sort((a, b) => compareAddresses(a, b, isLocal))
    expect(sorted.map(String)).toEqual(inOrder)
  })

  it('names transports', () => {
    expect(transportOf(multiaddr('/ip6/::1/udp/1/quic-v1'))).toBe('quic')
    expect(transportOf(multiaddr('/dns4/example.test/tcp/1'))).toBe('tcp')
    expect(transportOf(multiaddr(`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}/p2p-circuit`))).toBe('relay')
  })
})
