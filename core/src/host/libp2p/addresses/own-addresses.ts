/**
 * What this machine's interfaces mean for the network: which addresses we tell others, which sockets are our own, which
 * addresses are on our networks. Interfaces come and go on laptops, so they are looked up again now and then; libp2p's QUIC
 * looks once.
 */
import { networkInterfaces } from 'node:os'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../../timing/clock.ts'
import { socketOf, transportOf } from './address-order.ts'
import { ipScope, isLinkLocalIp } from '../../address-scope.ts'
import { findGateways, type Gateways } from '../../gateways.ts'
import { findOwnNetworks, type OwnNetworks } from '../../own-networks.ts'
import type { IpFamily, Listening, NetworkOptions } from '../listen-addresses.ts'

export interface OwnAddresses {
  /** Of which of our networks an address is. */
  networksOf(this: void, ip: string): ReadonlySet<string>
  /** The interfaces on whose link an address is. */
  linksOf(this: void, ip: string): ReadonlySet<string>
  /** A router of ours, behind which any peer may be. */
  isGateway(this: void, ip: string): boolean
  /** What we listen on, as `socketOf` spells it. */
  sockets(): ReadonlySet<string>
  /**
   * What to tell others: our interfaces, and of what libp2p has found out (observed, mapped, relayed addresses) what has
   * been verified, which is what it passes here.
   */
  announced(verified: readonly Multiaddr[], peer: string): Multiaddr[]
  /** Those of them that are no interface's, at the last call of `announced`: a router has opened them for us. */
  mapped(): readonly string[]
  /** We tell others a public address. */
  isPublic(): boolean
  /** The user says that we can be reached from the internet. */
  announcesPublic(): boolean
}

const REFRESH_MS = 15_000

interface Snapshot {
  readonly atMs: number
  readonly networks: OwnNetworks
  readonly gateways: Gateways
  readonly sockets: ReadonlySet<string>
  /** Without the peer id. */
  readonly multiaddrs: readonly string[]
}

export function createOwnAddresses(
  deps: {
    readonly clock: Clock
    /** This machine's, unless given. */
    readonly interfaces?: typeof networkInterfaces
  },
  options: { readonly network: NetworkOptions; readonly listening: Listening },
): OwnAddresses {
  const { network, listening } = options
  const interfaces = deps.interfaces ?? networkInterfaces
  let snapshot: Snapshot | undefined
  let mapped: readonly Multiaddr[] = []
  const configured = network.announceAddresses.map((text) => multiaddr(text))

  function current(): Snapshot {
    const now = deps.clock.now()
    if (snapshot === undefined || now - snapshot.atMs > REFRESH_MS) {
      snapshot = { atMs: now, ...look(interfaces(), network, listening) }
    }
    return snapshot
  }

  return {
    networksOf: (ip) => current().networks.networksOf(ip),
    isGateway: (ip) => current().gateways.has(ip),
    linksOf: (ip) => current().networks.linksOf(ip),
    sockets: () => current().sockets,
    mapped: () => mapped.map(String),
    isPublic: () => {
      const found = current().multiaddrs.map((text) => multiaddr(text))
      return [...found, ...mapped].some(isPublicAddress)
    },
    announcesPublic: () => configured.some(isPublicAddress),
    announced(verified, peer) {
      const { multiaddrs, sockets } = current()
      mapped = verified.filter((one) => isPublicAddress(one) && !sockets.has(socketOf(one) ?? ''))
      const found = verified.filter((address) => !isOnlyHere(address)).map(String)
      const own = multiaddrs.map((address) => `${address}/p2p/${peer}`)
      return [...new Set([...own, ...found])].map((address) => multiaddr(address))
    },
  }
}

/** Those of our interfaces that others can do nothing with; what of them is to be told comes from the snapshot. */
function isOnlyHere(address: Multiaddr): boolean {
  const ip = address.getComponents()[0]?.value
  const isDirect = transportOf(address) !== 'relay'
  return isDirect && ip !== undefined && (isLoopbackIp(ip) || isLinkLocalIp(ip))
}

function look(
  interfaces: ReturnType<typeof networkInterfaces>,
  network: NetworkOptions,
  listening: Listening,
): Omit<Snapshot, 'atMs'> {
  const all = Object.values(interfaces)
    .flatMap((found) => found ?? [])
    .map(({ address, family }): Own => ({ ip: address, family: family === 'IPv4' ? 4 : 6 }))
    .filter(({ family }) => listening.families.includes(family))
  const sockets = all.flatMap(({ ip }) => [
    `${ip} udp ${listening.port}`,
    `${ip} tcp ${listening.port}`,
  ])
  const gateways = findGateways()
  return {
    gateways,
    networks: findOwnNetworks(interfaces, {
      gateways,
      loopback: all.length > 0 && told(all, network).every(({ ip }) => isLoopbackIp(ip)),
      siteNetworks: network.siteNetworks,
    }),
    sockets: new Set(sockets),
    multiaddrs: told(all, network).flatMap(({ ip, family }) => [
      ...(network.quic ? [`/ip${family}/${ip}/udp/${listening.port}/quic-v1`] : []),
      ...(network.tcp ? [`/ip${family}/${ip}/tcp/${listening.port}`] : []),
    ]),
  }
}

interface Own {
  readonly ip: string
  readonly family: IpFamily
}

/** Others can do nothing with our loopback; but where there is nothing else, others on this machine can. */
function told(all: readonly Own[], network: NetworkOptions): readonly Own[] {
  const loopback = all.filter(({ ip }) => isLoopbackIp(ip))
  if (network.loopbackOnly) return loopback
  const others = all.filter(({ ip }) => !isLoopbackIp(ip) && !isLinkLocalIp(ip))
  return others.length > 0 ? others : loopback
}

function isPublicAddress(address: Multiaddr): boolean {
  const ip = address.getComponents()[0]?.value
  if (ip === undefined || transportOf(address) === 'relay') return false
  return ipScope(ip) === 'public'
}

function isLoopbackIp(ip: string): boolean {
  return ipScope(ip) === 'loopback'
}
