/**
 * Which peers count as one when they are counted by address: those at one IPv4 address, or in one IPv6 network of 64 bits,
 * which is the least that one subscriber gets (RFC 6177). A peer id costs nothing, an address group does. Pure.
 *
 * It says nothing about trust, and it never joins two addresses that belong to two machines of one LAN.
 */
import { isIPv4, isIPv6 } from 'node:net'

/** The spelling is for comparing and for logs; only this file parses it. */
export type AddressGroup = string

const RELAY = 'relay '
const HEXTETS = 8
/** Of an IPv6 address: the network part. */
const NETWORK_HEXTETS = 4

/**
 * The group of a multiaddr. Those behind one relay are one group, apart from the relay's own; an address that is no IP
 * address is a group of its own.
 */
export function addressGroup(multiaddr: string): AddressGroup {
  const parts = multiaddr.split('/')
  const [, protocol = '', value = '', inner = '', innerValue = ''] = parts
  // A zone names an interface of ours: /ip6zone/eth0/ip6/fe80::1
  const ip = protocol === 'ip6zone' && inner === 'ip6' ? innerValue : value
  const group = ipGroup(ip) ?? `${protocol} ${value}`
  return parts.includes('p2p-circuit') ? RELAY + group : group
}

/** The group of an IP address, with or without a zone (`fe80::1%eth0`); undefined when it is none. */
export function ipGroup(address: string): AddressGroup | undefined {
  const [ip = ''] = address.split('%', 1)
  if (isIPv4(ip)) return ip
  if (!isIPv6(ip)) return undefined
  const hextets = toHextets(ip)
  const mapped = mappedIpv4(hextets)
  if (mapped !== undefined) return mapped
  // All machines of a link share fe80::/64.
  const isLinkLocal = ((hextets[0] ?? 0) & 0xffc0) === 0xfe80
  const kept = isLinkLocal ? hextets : hextets.slice(0, NETWORK_HEXTETS)
  const text = kept.map((hextet) => hextet.toString(16)).join(':')
  return isLinkLocal || isLoopback(hextets) ? ip.toLowerCase() : `${text}::/64`
}

/** An IP address of the group, for asking what network it is on; undefined for what is no group of IP addresses. */
export function addressIn(group: AddressGroup): string | undefined {
  const ip = group.replace(/\/64$/, '')
  return isIPv4(ip) || isIPv6(ip) ? ip : undefined
}

/** An IP address of a group that is a whole network; undefined for a group of one address. */
export function networkOf(group: AddressGroup): string | undefined {
  return group.endsWith('/64') ? addressIn(group) : undefined
}

/** Honest peers behind a relay have no address of their own: they may share places, but not blame. */
export function isRelayGroup(group: AddressGroup): boolean {
  return group.startsWith(RELAY)
}

function isLoopback(hextets: readonly number[]): boolean {
  return hextets.every((hextet, index) => hextet === (index === HEXTETS - 1 ? 1 : 0))
}

/** `::ffff:1.2.3.4`, as a socket for both families shows an IPv4 peer. */
function mappedIpv4(hextets: readonly number[]): string | undefined {
  const [high = 0, low = 0] = hextets.slice(6)
  const isMapped = hextets.slice(0, 5).every((hextet) => hextet === 0) && hextets[5] === 0xffff
  return isMapped ? [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.') : undefined
}

/** @param ip a valid IPv6 address without a zone */
function toHextets(ip: string): number[] {
  const [head = '', tail] = ip.split('::')
  const first = hextetsOf(head)
  if (tail === undefined) return first
  const last = hextetsOf(tail)
  const zeros = new Array<number>(HEXTETS - first.length - last.length).fill(0)
  return [...first, ...zeros, ...last]
}

function hextetsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}
