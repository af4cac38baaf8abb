/**
 * The default gateways of this machine, as Linux lists them; none on other systems. Where a gateway translates addresses
 * (rootless Docker, Docker Desktop, some load balancers), every peer on the internet appears with the gateway's address,
 * which is on our own network: it must not count as a neighbour. Starts no program and never waits.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { endianness } from 'node:os'

/** Of each table; default routes come early, and a router on the internet has a million others. */
const MAX_BYTES = 64 * 1024
/** RTF_GATEWAY of linux/route.h. */
const VIA_GATEWAY = 0x2

export interface Gateways {
  has(this: void, ip: string): boolean
}

/** proc_net(5): /proc/net/route and /proc/net/ipv6_route. */
export function findGateways(read: (path: string) => string = readStart): Gateways {
  const list = new BlockList()
  for (const ip of ipv4Gateways(read('/proc/net/route'))) list.addAddress(ip, 'ipv4')
  for (const ip of ipv6Gateways(read('/proc/net/ipv6_route'))) list.addAddress(ip, 'ipv6')
  return {
    has(ip) {
      const [address = ''] = ip.split('%', 1)
      const family = isIP(address)
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
    },
  }
}

/** Columns: interface, destination, gateway, flags, three counters, mask; addresses in the byte order of the machine. */
function ipv4Gateways(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const [, destination, gateway = '', flags = '', , , , mask] = line.split(/\s+/)
    if (destination !== '00000000' || mask !== '00000000') return []
    if (!/^[\da-f]{8}$/i.test(gateway) || !isViaGateway(flags)) return []
    const bytes = Buffer.from(gateway, 'hex')
    return (endianness() === 'LE' ? bytes.reverse() : bytes).join('.')
  })
}

/** Columns: destination, its prefix, source, its prefix, next hop, metric, two counters, flags, interface. */
function ipv6Gateways(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const [destination, prefix, , , hop = '', , , , flags = ''] = line.split(/\s+/)
    if (destination !== '0'.repeat(32) || prefix !== '00') return []
    if (!/^[\da-f]{32}$/i.test(hop) || !isViaGateway(flags)) return []
    return hop.replace(/(.{4})(?=.)/g, '$1:')
  })
}

function isViaGateway(flags: string): boolean {
  return (Number.parseInt(flags, 16) & VIA_GATEWAY) !== 0
}

/** Empty where there is no such file. */
function readStart(path: string): string {
  if (process.platform !== 'linux') return ''
  try {
    const file = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(MAX_BYTES)
      return bytes.toString('latin1', 0, readSync(file, bytes, 0, MAX_BYTES, 0))
    } finally {
      closeSync(file)
    }
  } catch {
    return ''
  }
}
