/**
 * Which addresses may be told to whom, by looking at the multiaddr's text. Nobody is told where something listens inside a
 * network that they are not in, and nobody makes us dial into ours: an address is as far-reaching as its first part says.
 * Only IP addresses are exchanged: a name could resolve to anything. Pure. docs/protocol.md, section Peer exchange
 */
import { BlockList, isIP } from 'node:net'

/** From the widest to the narrowest. */
export type AddressScope = 'public' | 'private' | 'loopback'

export const MAX_ADDRESS_BYTES = 256

const PRINTABLE = /^\/[\x21-\x7e]+$/
const NARROWNESS = { public: 0, private: 1, loopback: 2 } as const

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const privateNets = new BlockList()
privateNets.addSubnet('10.0.0.0', 8, 'ipv4')
privateNets.addSubnet('172.16.0.0', 12, 'ipv4')
privateNets.addSubnet('192.168.0.0', 16, 'ipv4')
privateNets.addSubnet('100.64.0.0', 10, 'ipv4')
privateNets.addSubnet('fc00::', 7, 'ipv6')

const undialable = new BlockList()
undialable.addSubnet('0.0.0.0', 8, 'ipv4')
undialable.addSubnet('224.0.0.0', 3, 'ipv4')
undialable.addAddress('::', 'ipv6')
undialable.addSubnet('ff00::', 8, 'ipv6')
// Link-local means nothing without the interface, which differs from machine to machine.
undialable.addSubnet('fe80::', 10, 'ipv6')
undialable.addSubnet('169.254.0.0', 16, 'ipv4')

/** Undefined for an address that is not to be exchanged at all: malformed, no IP address, or none that can be dialled. */
export function addressScope(address: string): AddressScope | undefined {
  if (address.length > MAX_ADDRESS_BYTES || !PRINTABLE.test(address)) return undefined
  const [, protocol, value = ''] = address.split('/', 3)
  // The in-memory host of tests; no real transport dials it.
  if (protocol === 'memory') return 'public'
  const family = isIP(value)
  if ((protocol !== 'ip4' || family !== 4) && (protocol !== 'ip6' || family !== 6)) return undefined
  const type = family === 4 ? 'ipv4' : 'ipv6'
  if (undialable.check(value, type)) return undefined
  if (loopback.check(value, type)) return 'loopback'
  return privateNets.check(value, type) ? 'private' : 'public'
}

/** The scope of a connection by its remote address; through a relay nobody knows, so the widest. */
export function connectionScope(address: string): AddressScope {
  return address.includes('/p2p-circuit') ? 'public' : (addressScope(address) ?? 'public')
}

/** Those of `addresses` that one may exchange with a peer whose connection has this scope. */
export function exchangeable(addresses: readonly string[], with_: AddressScope): string[] {
  return addresses.filter((address) => {
    const scope = addressScope(address)
    return scope !== undefined && NARROWNESS[scope] <= NARROWNESS[with_]
  })
}
