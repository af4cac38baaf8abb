/** Dialling what a user, the peer memory or the LAN names: a peer id, or a multiaddr with or without one. */
import type { Address, PeerStore } from '@libp2p/interface'
import { isMultiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import type { AddressRule } from './addresses/address-rule.ts'
import type { PeerId } from '../host.ts'
import { raceSignal } from '../../timing/race-signal.ts'
import { parsePeer, parseTarget, peerOf, withPeer } from './addresses/peer-addresses.ts'

export async function dial(
  { libp2p, rule }: { readonly libp2p: Libp2p; readonly rule: AddressRule },
  target: string,
  signal: AbortSignal,
): Promise<PeerId> {
  const to = parseTarget(target)
  // Whole addresses come from the user only: all others are learned first.
  if (isMultiaddr(to)) rule.configure(to)
  const connection = await raceSignal(libp2p.dial(to, { signal }), signal)
  return connection.remotePeer.toString()
}

export function isConnected(libp2p: Libp2p, target: string): boolean {
  const address = parseTarget(target)
  const peer = isMultiaddr(address) ? peerOf(address) : target
  if (peer === undefined) return false
  return libp2p.getConnections(parsePeer(peer)).some(({ status }) => status === 'open')
}

/** What the peer store has of this peer; nothing of one that it does not know, or no longer does. */
export async function addressesOf(
  { peerStore }: { readonly peerStore: Pick<PeerStore, 'get'> },
  peer: PeerId,
): Promise<Address[]> {
  try {
    return (await peerStore.get(parsePeer(peer))).addresses
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return []
    throw error
  }
}

/** The same as text, with its peer id: what it has signed, if it has signed any. */
export async function toldAddresses(libp2p: Libp2p, peer: PeerId): Promise<string[]> {
  const addresses = await addressesOf(libp2p, peer)
  const signed = addresses.filter(({ isCertified }) => isCertified)
  const told = signed.length > 0 ? signed : addresses
  return told.map(({ multiaddr }) => withPeer(multiaddr, peer))
}
