/** Which peers, and which of their addresses, to tell a peer or to believe it. Pure. docs/protocol.md, section Peer exchange */
import { connectionScope, exchangeable } from '../../host/address-scope.ts'
import type { PeerConnection } from '../../host/host.ts'
import type { Random } from '../../random.ts'
import { MAX_ADDRESSES_PER_PEER, type KnownPeer } from '../../wire/peer-messages.ts'

/** Of `peers`, what may be exchanged over this connection; the remote itself is left out. */
export function shareablePeers(
  connection: PeerConnection,
  peers: readonly KnownPeer[],
): KnownPeer[] {
  const scope = connectionScope(connection.address)
  const shareable: KnownPeer[] = []
  for (const { peer, addresses } of peers) {
    if (peer === connection.peer) continue
    const ofPeer = addresses.filter((address) => isOf(address, peer))
    const told = exchangeable(ofPeer, scope).slice(0, MAX_ADDRESSES_PER_PEER)
    if (told.length > 0) shareable.push({ peer, addresses: told })
  }
  return shareable
}

/** In random order, so that a swarm becomes a random graph and not a star. */
export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [result[i], result[j]]
    if (a === undefined || b === undefined) continue
    result[i] = b
    result[j] = a
  }
  return result
}

/** An address that ends in another peer's id leads to that one. */
function isOf(address: string, peer: string): boolean {
  const end = /\/p2p\/([^/]+)$/.exec(address)?.[1]
  return end === undefined || end === peer
}
