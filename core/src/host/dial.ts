/** Dialling what a user, the peer memory or the LAN names: a peer id, or a multiaddr with or without one. */
import { isMultiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import type { PeerId } from './host.ts'
import { orAborted } from './or-aborted.ts'
import { parsePeer, parseTarget, peerOf } from './peer-addresses.ts'

export async function dial(libp2p: Libp2p, target: string, signal: AbortSignal): Promise<PeerId> {
  const connection = await orAborted(libp2p.dial(parseTarget(target), { signal }), signal)
  return connection.remotePeer.toString()
}

export function isConnected(libp2p: Libp2p, target: string): boolean {
  const address = parseTarget(target)
  const peer = isMultiaddr(address) ? peerOf(address) : target
  if (peer === undefined) return false
  return libp2p.getConnections(parsePeer(peer)).some(({ status }) => status === 'open')
}

/** Whether there is an address to dial this peer by. */
export async function hasAddresses({ peerStore }: Libp2p, peer: PeerId): Promise<boolean> {
  const id = parsePeer(peer)
  return (await peerStore.has(id)) && (await peerStore.get(id)).addresses.length > 0
}
