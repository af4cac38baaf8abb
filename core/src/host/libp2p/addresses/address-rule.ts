/**
 * The one rule for addresses that others tell us: no peer makes us dial into a network that it is not in itself.
 *
 * - A public address is believed from every peer: the whole internet can reach it anyway.
 * - An address of a network that we are on (own-networks.ts) is believed from peers on that network, and remembered as
 *   vouched for. Loopback is such a network only where there is no other.
 * - Anything else (names, other private networks, loopback, forms that hide an address) is believed from the user only.
 *
 * It is asked when an address is heard (identify, DHT, mDNS, peer exchange), when one is stored, and again by the gate before
 * each dial, whatever part dials. It does not say which peer is at an address: the handshake proves that.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import { LRUCache } from 'lru-cache'
import { familyOf, socketOf, transportOf } from './address-order.ts'
import { ipScope } from '../../address-scope.ts'

const MAX_VOUCHED = 10_000
const MAX_CONFIGURED = 1_000

export interface AddressRule {
  /** The user wants this dialled, wherever it leads. */
  configure(address: Multiaddr): void
  isConfigured(address: Multiaddr): boolean
  /**
   * What is believed of `addresses` when it was said over one of these connections, nobody knows which: that which each of
   * them may say. Without any connection only what everybody may say.
   */
  heardOver(connections: readonly Multiaddr[], addresses: readonly Multiaddr[]): Multiaddr[]
  /** What is believed of `addresses` when a machine at this IP address, on a link of ours, tells them. */
  heardFrom(ip: string, addresses: readonly Multiaddr[]): Multiaddr[]
  isDialable(address: Multiaddr): boolean
}

export function createAddressRule(deps: {
  /** Of which of our networks an IP address is. */
  readonly networksOf: (ip: string) => ReadonlySet<string>
}): AddressRule {
  const { networksOf } = deps
  const configured = new LRUCache<string, true>({ max: MAX_CONFIGURED })
  /** Sockets in networks of ours, with the networks of the peers that told us of them. */
  const vouched = new LRUCache<string, ReadonlySet<string>>({
    maxSize: MAX_VOUCHED,
    sizeCalculation: () => 1,
  })

  function isBelieved(address: Multiaddr, from: ReadonlySet<string>): boolean {
    const ip = ipOf(address)
    const socket = socketOf(address)
    if (ip === undefined || socket === undefined) return false
    const scope = ipScope(ip)
    if (scope === undefined || scope === 'public') return scope === 'public'
    const common = networksOf(ip).intersection(from)
    if (common.size === 0) return false
    vouched.set(socket, common)
    return true
  }

  const isConfigured = (address: Multiaddr): boolean => configured.has(keyOf(address))

  return {
    configure: (address) => void configured.set(keyOf(address), true),
    isConfigured,
    heardOver(connections, addresses) {
      const [first, ...others] = connections.map((each) => networksBehind(each, networksOf))
      const common = others.reduce((all, each) => all.intersection(each), first ?? NOWHERE)
      return addresses.filter((address) => isBelieved(address, common))
    },
    heardFrom: (ip, addresses) =>
      addresses.filter((address) => isBelieved(address, networksOf(ip))),
    isDialable(address) {
      if (isConfigured(address)) return true
      const ip = ipOf(address)
      const scope = ip === undefined ? undefined : ipScope(ip)
      if (ip === undefined || scope === undefined || scope === 'public') return scope === 'public'
      const networks = vouched.get(keyOf(address))
      // We may have moved to another network since.
      return networks !== undefined && !networks.isDisjointFrom(networksOf(ip))
    },
  }
}

const NOWHERE: ReadonlySet<string> = new Set()

/** Behind a relay the remote may be anywhere. */
function networksBehind(
  connection: Multiaddr,
  networksOf: (ip: string) => ReadonlySet<string>,
): ReadonlySet<string> {
  const ip = ipOf(connection)
  return ip === undefined || transportOf(connection) === 'relay' ? NOWHERE : networksOf(ip)
}

/** Of the machine that has to be dialled: of a relayed address the relay. */
function ipOf(address: Multiaddr): string | undefined {
  return familyOf(address) === undefined ? undefined : address.getComponents()[0]?.value
}

/** Of a name that stands for whole addresses, the name; else the socket, as one port of a host says nothing of the next. */
function keyOf(address: Multiaddr): string {
  const [first] = address.getComponents()
  if (first?.name === 'dnsaddr') return `dnsaddr ${first.value ?? ''}`
  return socketOf(address) ?? address.toString()
}
