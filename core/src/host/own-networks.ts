/**
 * Which networks this machine is on, and which of them an IP address belongs to. Pure. A network is a link: all subnets of
 * one interface, under the interface's name; loopback, where it is all there is; and routed networks that the user calls
 * part of the same site, as a company's 10.0.0.0/8 whose subnets do not share a link.
 */
import { BlockList, isIP } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import type { Gateways } from './gateways.ts'
import { ipScope, isLinkLocalIp } from './address-scope.ts'

const LOOPBACK_NETWORK = 'loopback'
const NONE: ReadonlySet<string> = new Set()

export interface OwnNetworks {
  /** The interfaces on whose link an address is: by subnet, or by its zone when it is link-local. */
  linksOf(ip: string): ReadonlySet<string>
  /** All of our networks that an address belongs to. */
  networksOf(ip: string): ReadonlySet<string>
}

export function findOwnNetworks(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>,
  options: {
    /** Loopback counts as a network of ours: where nothing else is allowed, or there. */
    readonly loopback: boolean
    /** CIDR. */
    readonly siteNetworks: readonly string[]
    /** Of no network: any peer may be behind one. */
    readonly gateways: Gateways
  },
): OwnNetworks {
  const links = new Map<string, BlockList>()
  /** By name, and by number as Windows has it. */
  const zones = new Map<string, string>()
  for (const [name, infos = []] of Object.entries(interfaces)) {
    const list = new BlockList()
    for (const info of infos.filter(({ internal }) => !internal)) {
      addSubnet(list, info.cidr)
      zones.set(name, name)
      if (info.family === 'IPv6') zones.set(String(info.scopeid), name)
    }
    if (zones.has(name)) links.set(name, list)
  }
  const sites = new Map(
    options.siteNetworks.map((cidr) => {
      const list = new BlockList()
      addSubnet(list, cidr)
      return [cidr, list] as const
    }),
  )

  function linksOf(ip: string): ReadonlySet<string> {
    const [address = '', zone] = ip.split('%')
    if (isIP(address) === 0) return NONE
    if (zone === undefined || !isLinkLocalIp(address)) return containing(links, address)
    const link = zones.get(zone)
    return link === undefined ? NONE : new Set([link])
  }

  return {
    linksOf,
    networksOf(ip) {
      if (options.gateways.has(ip)) return NONE
      if (ipScope(ip) === 'loopback') {
        return options.loopback ? new Set([LOOPBACK_NETWORK]) : NONE
      }
      return linksOf(ip).union(isIP(ip) === 0 ? NONE : containing(sites, ip))
    },
  }
}

function addSubnet(list: BlockList, cidr: string | null): void {
  const [address, prefix] = cidr?.split('/') ?? []
  if (address === undefined || prefix === undefined) return
  list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4')
}

function containing(lists: ReadonlyMap<string, BlockList>, ip: string): ReadonlySet<string> {
  const family = isIP(ip) === 6 ? 'ipv6' : 'ipv4'
  return new Set([...lists].filter(([, list]) => list.check(ip, family)).map(([name]) => name))
}
