/**
 * How far an IP address reaches, and which addresses may be exchanged over a connection: a peer is never told of listeners
 * inside a network that it is not in. Pure; says nothing of whether an address is believed (address-rule.ts).
 * docs/protocol.md, section Peer exchange
 */
import { BlockList, isIP } from 'node:net'

/** From the widest to the narrowest. */
export type AddressScope = 'public' | 'private' | 'loopback'

export const MAX_ADDRESS_BYTES = 256

const PRINTABLE = /^\/[\x21-\x7e]+$/
const NARROWNESS = { public: 0, private: 1, loopback: 2 } as const

// One list for each family: a BlockList takes ::ffff:10.0.0.1 for 10.0.0.1.
const IPV4 = {
  loopback: blockList('ipv4', ['127.0.0.0/8']),
  // With carrier-grade NAT (RFC 6598) and benchmarks (RFC 2544), which networks use as their own as well.
  private: blockList('ipv4', [
    ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'],
  ]),
  linkLocal: blockList('ipv4', ['169.254.0.0/16']),
  /** "This network", protocol assignments, multicast and what is reserved above it. */
  nowhere: blockList('ipv4', ['0.0.0.0/8', '192.0.0.0/24', '224.0.0.0/3']),
}
const IPV6 = {
  loopback: blockList('ipv6', ['::1/128']),
  private: blockList('ipv6', ['fc00::/7', 'fec0::/10']),
  linkLocal: blockList('ipv6', ['fe80::/10']),
  /** Global unicast (RFC 4291), and nothing else of IPv6, is public. */
  global: blockList('ipv6', ['2000::/3']),
  /**
   * 6to4 and Teredo: there is an IPv4 address inside, and who knows what a gateway does with it. The other forms that hold
   * one (::ffff:0:0/96, 64:ff9b::/96, 64:ff9b:1::/48, ::/96) are not global.
   */
  tunnels: blockList('ipv6', ['2002::/16', '2001::/32']),
}

/** Undefined for what can't be dialled: not an IP address, none of one machine, or of a link that has to be named. */
export function ipScope(ip: string): AddressScope | undefined {
  const family = ip.includes('%') ? 0 : isIP(ip)
  if (family === 4) {
    if (IPV4.nowhere.check(ip) || IPV4.linkLocal.check(ip)) return undefined
    if (IPV4.loopback.check(ip)) return 'loopback'
    return IPV4.private.check(ip) ? 'private' : 'public'
  }
  if (family !== 6) return undefined
  if (IPV6.loopback.check(ip)) return 'loopback'
  if (IPV6.private.check(ip)) return 'private'
  return IPV6.global.check(ip) && !IPV6.tunnels.check(ip) ? 'public' : undefined
}

/** Needs an interface's name to be dialled, which a multiaddr of ours does not carry. */
export function isLinkLocalIp(ip: string): boolean {
  return isIP(ip) === 6 ? IPV6.linkLocal.check(ip) : IPV4.linkLocal.check(ip)
}

/** Undefined for an address that is not to be exchanged at all: malformed, no IP address, or none that can be dialled. */
export function addressScope(address: string): AddressScope | undefined {
  if (address.length > MAX_ADDRESS_BYTES || !PRINTABLE.test(address)) return undefined
  const [, protocol, value = ''] = address.split('/', 3)
  // The in-memory host of tests; no real transport dials it.
  if (protocol === 'memory') return 'public'
  return protocol === `ip${isIP(value)}` ? ipScope(value) : undefined
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

/** Made when it is asked first: these would take 8 ms of the start of every command. */
function blockList(
  family: 'ipv4' | 'ipv6',
  subnets: readonly string[],
): { check(ip: string): boolean } {
  let made: BlockList | undefined
  function make(): BlockList {
    const list = new BlockList()
    for (const subnet of subnets) {
      const [address = '', prefix = ''] = subnet.split('/')
      list.addSubnet(address, Number(prefix), family)
    }
    return list
  }
  return { check: (ip: string) => (made ??= make()).check(ip, family) }
}
