/** Dialling what a user, the peer memory or the LAN names: a peer id, or a multiaddr with or without one. */
import { isMultiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import type { AddressRule } from './address-rule.ts'
import type { PeerId } from './host.ts'
import { orAborted } from './or-aborted.ts'
import { parsePeer, parseTarget, peerOf } from './peer-addresses.ts'

export async function dial(
  { libp2p, rule }: { readonly libp2p: Libp2p; readonly rule: AddressRule },
  target: string,
  signal: AbortSignal,
): Promise<PeerId> {
  const to = parseTarget(target)
  // Nobody but the user gives whole addresses: all others are learned first.
  if (isMultiaddr(to)) rule.configure(to)
  const connection = await orAborted(libp2p.dial(to, { signal }), signal)
  return connection.remotePeer.toString()
}

export function isConnected(libp2p: Libp2p, target: string): boolean {
  const address = parseTarget(target)
  const peer = isMultiaddr(address) ? peerOf(address) : target
  if (peer === undefined) return false
  return libp2p.getConnections(parsePeer(peer)).some(({ status }) => status === 'open')
}

/** What the peer store has of this peer. */
export async function addressesOf({ peerStore }: Libp2p, peer: PeerId): Promise<Multiaddr[]> {
  const id = parsePeer(peer)
  if (!(await peerStore.has(id))) return []
  return (await peerStore.get(id)).addresses.map(({ multiaddr }) => multiaddr)
}
