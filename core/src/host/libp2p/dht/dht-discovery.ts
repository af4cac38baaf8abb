/**
 * libp2p puts into its peer store whatever a DHT server says of other peers, without recording which server said it. Here the
 * DHT reports to us instead, so that address-rule.ts is asked first.
 */
import { peerDiscoverySymbol, type PeerDiscovery, type PeerInfo } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

export interface DhtDiscovery {
  /** The same DHT, which libp2p does not listen to. */
  detach<Dht extends KadDHT>(dht: Dht): Dht
  onPeer(listener: (peer: PeerInfo) => void): void
}

export function createDhtDiscovery(): DhtDiscovery {
  let discovery: PeerDiscovery | undefined
  return {
    detach(dht) {
      discovery = (dht as { [peerDiscoverySymbol]?: PeerDiscovery })[peerDiscoverySymbol]
      return Object.defineProperty(dht, peerDiscoverySymbol, { value: undefined })
    },
    onPeer(listener) {
      discovery?.addEventListener('peer', ({ detail }) => listener(detail))
    },
  }
}
