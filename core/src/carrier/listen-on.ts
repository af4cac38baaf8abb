/** Where this node listens for carriers, by its network options. Pure. */
import type { ParsedNodeOptions } from '../options.ts'

const MAX_PORT = 65_535

/** Undefined where there are to be none. */
export function listenOn({
  carrier,
  carrierPort,
  tcp,
  family,
  loopbackOnly,
  port,
}: ParsedNodeOptions['network']):
  { readonly hosts: readonly string[]; readonly port: number } | undefined {
  if (!carrier || !tcp) return undefined
  const v4 = loopbackOnly ? '127.0.0.1' : '0.0.0.0'
  const v6 = loopbackOnly ? '::1' : '::'
  const hosts = family === 'any' ? [v4, v6] : [family === 'ipv4' ? v4 : v6]
  // A firewall that lets one port through can be told of two.
  const next = port === 0 || port === MAX_PORT ? 0 : port + 1
  return { hosts, port: carrierPort ?? next }
}
