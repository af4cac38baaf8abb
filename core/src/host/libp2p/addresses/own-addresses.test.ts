import type { NetworkInterfaceInfo } from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../timing/clock.ts'
import { parseNodeOptions, type NodeOptions } from '../../../options.ts'
import { createOwnAddresses, type OwnAddresses } from './own-addresses.ts'

const SELF = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const RELAY = '12D3KooWCu8JzQByN7EzzyAwDVq3uFyNEfbmteHdesKmacyRu6ao'

function create(
  loopbackOnly: boolean,
  more: NodeOptions['network'] = {},
  ip = '192.168.1.5',
): OwnAddresses {
  const internal = false
  const eth0 = { address: ip, netmask: '', cidr: `${ip}/24`, family: 'IPv4', mac: '', internal }
  const lo = { ...eth0, address: '127.0.0.1', cidr: '127.0.0.1/8', internal: true }
  const interfaces = () => ({
    eth0: [eth0 as NetworkInterfaceInfo],
    lo: [lo as NetworkInterfaceInfo],
  })
  return createOwnAddresses(
    { clock: systemClock, interfaces },
    {
      network: parseNodeOptions({ network: { loopbackOnly, tcp: false, ...more } }).network,
      listening: { families: [4], port: 4875, addresses: [] },
    },
  )
}

function announced(own: OwnAddresses, verified: string[]): string[] {
  return own
    .announced(
      verified.map((text) => multiaddr(text)),
      SELF,
    )
    .map(String)
}

describe('own addresses', () => {
  it('are those of loopback when nothing else is allowed', () => {
    expect(announced(create(true), [])).toEqual([`/ip4/127.0.0.1/udp/4875/quic-v1/p2p/${SELF}`])
  })

  it('leave out what only this machine can use, but not relays on it', () => {
    const relayed = `/ip4/127.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${SELF}`
    const local = `/ip4/127.0.0.1/udp/4999/quic-v1/p2p/${SELF}`
    const told = announced(create(true), [local, relayed])
    expect(told).toContain(relayed)
    expect(told).not.toContain(local)
  })

  it('are public by an interface, by what a router has opened, or by what the user says', () => {
    const own = create(false, {}, '192.168.1.5')
    announced(own, [`/ip4/192.168.1.5/udp/4875/quic-v1/p2p/${SELF}`])
    expect(own.isPublic()).toBe(false)
    announced(own, [`/ip4/8.8.8.8/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${SELF}`])
    expect(own.isPublic()).toBe(false)
    const found = `/ip4/8.8.8.8/udp/4875/quic-v1/p2p/${SELF}`
    expect(announced(own, [found])).toContain(found)
    expect(own.isPublic()).toBe(true)
    expect(own.mapped()).toEqual([found])
    expect(own.announcesPublic()).toBe(false)

    const onInternet = create(false, {}, '8.8.8.8')
    announced(onInternet, [found])
    expect(onInternet.isPublic()).toBe(true)
    expect(onInternet.mapped()).toEqual([])

    const told = (address: string): boolean =>
      create(false, { announceAddresses: [address] }, '192.168.1.5').announcesPublic()
    expect(told('/ip4/8.8.8.8/udp/4875/quic-v1')).toBe(true)
    expect(told('/ip4/10.0.0.1/udp/4875/quic-v1')).toBe(false)
  })

  it('know the sockets we listen on', () => {
    expect(create(true).sockets()).toContain('127.0.0.1 udp 4875')
  })
})
