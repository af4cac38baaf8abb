/**
 * What a multiaddr means for dialling: which transport, whether this machine could be at its end, and in which order to try
 * the addresses of one peer. Pure; libp2p tries them one after another and takes the first that answers.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import { ipScope, isLinkLocalIp } from '../../address-scope.ts'
import type { Transport } from '../../host.ts'
import type { IpFamily } from '../listen-addresses.ts'

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

function rankOf(address: Multiaddr, isLocal: (ip: string) => boolean): number {
  const transport = transportOf(address)
  if (transport === 'relay') return 100
  return 10 * placeOf(address, isLocal) + (transport === 'quic' ? 0 : 1)
}

function placeOf(address: Multiaddr, isLocal: (ip: string) => boolean): number {
  const ip = address.getComponents()[0]?.value
  if (familyOf(address) === undefined || ip === undefined) return 1
  if (isLinkLocalIp(ip)) return 4
  const scope = ipScope(ip)
  if (scope === 'loopback') return 3
  if (isLocal(ip)) return 0
  return scope === 'private' ? 2 : 1
}
