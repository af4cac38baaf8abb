/** Whether an address is on a network that this machine is on, or of its site, as the interfaces are at this moment. */
import { networkInterfaces } from 'node:os'
import { addressGroup, addressIn } from '../limits/address-group.ts'
import type { ParsedNodeOptions } from '../options.ts'
import { findGateways } from './gateways.ts'
import { findOwnNetworks } from './own-networks.ts'

export function isOwnNetwork(
  ip: string,
  { network: { siteNetworks } }: ParsedNodeOptions,
  { loopback } = { loopback: false },
): boolean {
  const options = { loopback, siteNetworks, gateways: findGateways() }
  return findOwnNetworks(networkInterfaces(), options).networksOf(ip).size > 0
}

/** Another node of this machine counts too. @param address a multiaddr */
export function isOnOwnNetwork(address: string, options: ParsedNodeOptions): boolean {
  const ip = addressIn(addressGroup(address))
  return ip !== undefined && isOwnNetwork(ip, options, { loopback: true })
}
