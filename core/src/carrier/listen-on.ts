/** Where this node listens for carriers, by its network options. Pure. */
import type { ParsedNodeOptions } from '../options.ts'

const MAX_PORT = 65_535

type Network = ParsedNodeOptions['network']

/** 0: one that the system chooses; undefined: there are to be no carriers. */
export function carrierPortOf({ carrier, carrierPort, tcp, port }: Network): number | undefined {
  if (!carrier || !tcp) return undefined
  // A firewall that lets one port through can be told of two.
  return carrierPort ?? (port === 0 || port === MAX_PORT ? 0 : port + 1)
}

/** Undefined where there are to be none. */
export function listenOn(
  network: Network,
): { readonly hosts: readonly string[]; readonly port: number } | undefined {
  const { family, loopbackOnly } = network
  const port = carrierPortOf(network)
  if (port === undefined) return undefined
  const v4 = loopbackOnly ? '127.0.0.1' : '0.0.0.0'
  const v6 = loopbackOnly ? '::1' : '::'
  const hosts = family === 'any' ? [v4, v6] : [family === 'ipv4' ? v4 : v6]
  return { hosts, port }
}
