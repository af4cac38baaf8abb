/** Peer ids and multiaddrs as text, from callers and from peers: parsed here, and nowhere else. */
import type { PeerId as LibP2PPeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { CatalogError } from '../../../errors.ts'
import type { PeerId } from '../../host.ts'

const MAX_ADDRESS_LENGTH = 512

/** @throws CatalogError INVALID_OPTIONS */
export function parsePeer(peer: PeerId): LibP2PPeerId {
  try {
    return peerIdFromString(peer)
  } catch (error) {
    throw invalid('peer id', peer, error)
  }
}

/**
 * A multiaddr, or a peer id.
 * @throws CatalogError INVALID_OPTIONS for neither
 */
export function parseTarget(target: string): Multiaddr | LibP2PPeerId {
  if (!target.startsWith('/')) return parsePeer(target)
  return parseAddress(target)
}

/** @throws CatalogError INVALID_OPTIONS */
export function parseAddress(text: string): Multiaddr {
  if (text.length > MAX_ADDRESS_LENGTH) throw invalid('address', text, undefined)
  try {
    return multiaddr(text)
  } catch (error) {
    throw invalid('address', text, error)
  }
}

/** Like parseAddress, but undefined for what is none: peers say all kinds of things. */
export function findAddress(text: string): Multiaddr | undefined {
  try {
    return parseAddress(text)
  } catch {
    return undefined
  }
}

/** Whose address it is, if it says; of a relayed address the peer behind the relay. */
export function peerOf(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

export function withPeer(address: Multiaddr, peer: PeerId): string {
  const text = address.toString()
  return peerOf(address) === undefined ? `${text}/p2p/${peer}` : text
}

function invalid(what: string, text: string, cause: unknown): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `not a ${what}: ${text.slice(0, 200)}`, { cause })
}
