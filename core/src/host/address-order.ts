/**
 * What a multiaddr means for dialling: which transport, whether this machine could be at its end, and in which order to try
 * the addresses of one peer. Pure; libp2p tries them one after another and takes the first that answers.
 */
import { BlockList } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Transport } from './host.ts'
import type { IpFamily } from './listen-addresses.ts'

export function transportOf(address: Multiaddr): Transport {
  const names = new Set(address.getComponents().map((component) => component.name))
  if (names.has('p2p-circuit')) return 'relay'
  if (names.has('quic-v1')) return 'quic'
  return names.has('tcp') ? 'tcp' : 'other'
}

/** The IP family that has to be dialled to get there; of a relay for a relayed address. Undefined for names. */
export function familyOf(address: Multiaddr): IpFamily | undefined {
  const name = address.getComponents()[0]?.name
  if (name === 'ip4') return 4
  return name === 'ip6' ? 6 : undefined
}

/** Host and port, the key under which this machine's own listeners are known. */
export function socketOf(address: Multiaddr): string | undefined {
  const [ip, port] = address.getComponents()
  return ip?.value === undefined || port?.value === undefined
    ? undefined
    : `${ip.value} ${port.name} ${port.value}`
}

/** Answers whether an IP address is on a network that this machine is on. */
export function createLocality(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
): (ip: string) => boolean {
  const list = new BlockList()
  for (const { cidr, family, internal } of Object.values(interfaces).flatMap(
    (found) => found ?? [],
  )) {
    const [address, prefix] = cidr?.split('/') ?? []
    if (internal || address === undefined || prefix === undefined) continue
    list.addSubnet(address, Number(prefix), family === 'IPv4' ? 'ipv4' : 'ipv6')
  }
  return (ip) => contains(list, ip)
}

/**
 * For sorting: QUIC before TCP within each kind of place, and places by how likely and how near they are: the same network,
 * then the internet, then other private networks (containers, VPNs), this machine, and relays last.
 */
export function compareAddresses(
  a: Multiaddr,
  b: Multiaddr,
  isLocal: (ip: string) => boolean,
): -1 | 0 | 1 {
  const difference = rankOf(a, isLocal) - rankOf(b, isLocal)
  if (difference === 0) return 0
  return difference < 0 ? -1 : 1
}

const LOOPBACK = blockList(['127.0.0.0/8', '::1/128'])
const PRIVATE = blockList([
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
])
const LINK_LOCAL = blockList(['169.254.0.0/16', 'fe80::/10'])

export function isLoopbackIp(ip: string): boolean {
  return contains(LOOPBACK, ip)
}

/** Needs an interface's name to be dialled, which a multiaddr of ours does not carry. */
export function isLinkLocalIp(ip: string): boolean {
  return contains(LINK_LOCAL, ip)
}

export function isPrivateIp(ip: string): boolean {
  return contains(PRIVATE, ip)
}

function rankOf(address: Multiaddr, isLocal: (ip: string) => boolean): number {
  const transport = transportOf(address)
  if (transport === 'relay') return 100
  return 10 * placeOf(address, isLocal) + (transport === 'quic' ? 0 : 1)
}

function placeOf(address: Multiaddr, isLocal: (ip: string) => boolean): number {
  const ip = address.getComponents()[0]?.value
  if (familyOf(address) === undefined || ip === undefined) return 1
  if (isLoopbackIp(ip)) return 3
  if (isLinkLocalIp(ip)) return 4
  if (isLocal(ip)) return 0
  return isPrivateIp(ip) ? 2 : 1
}

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [address = '', prefix = ''] = subnet.split('/')
    list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}

function contains(list: BlockList, ip: string): boolean {
  return list.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4')
}
