/**
 * The DHT as libp2p itself uses it for finding peers.
 *
 * libp2p looks for relays by random walks, one after another without a pause. In a small network a walk ends at once and finds
 * no new peer, so that would be a busy loop; without peers it even starves the event loop. Here walks wait for each other.
 *
 * And libp2p stores whatever DHT servers say of other peers, as if those had said it themselves. Here it gets only what is
 * believed.
 */
import { peerRoutingSymbol, type PeerInfo, type PeerRouting } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../../../timing/clock.ts'

const FIRST_WALK_AFTER_MS = 3_000
const WALK_EVERY_MS = 60_000

/** Of addresses that some DHT server has told, those to believe. */
export type Believed = (addresses: readonly Multiaddr[]) => Multiaddr[]

/** The same DHT; only what libp2p calls for its own walks and dials is changed, not queries of ours. */
export function withPacedWalks<Dht extends object>(
  dht: Dht,
  { clock, believed }: { readonly clock: Clock; readonly believed: Believed },
): Dht {
  const routing = (dht as { [peerRoutingSymbol]?: PeerRouting })[peerRoutingSymbol]
  if (routing === undefined) return dht
  let nextWalkAt = clock.now() + FIRST_WALK_AFTER_MS
  const judged = ({ id, multiaddrs }: PeerInfo): PeerInfo => ({
    id,
    multiaddrs: believed(multiaddrs),
  })
  const paced: PeerRouting = {
    findPeer: async (peer, options) => judged(await routing.findPeer(peer, options)),
    async *getClosestPeers(key, options) {
      const waitMs = Math.max(nextWalkAt - clock.now(), 0)
      nextWalkAt += WALK_EVERY_MS
      await clock.sleep(waitMs, options?.signal)
      nextWalkAt = Math.max(nextWalkAt, clock.now() + WALK_EVERY_MS)
      for await (const found of routing.getClosestPeers(key, options)) {
        const peer = judged(found)
        // libp2p would look for the addresses of one that has none, and not find others than these.
        if (peer.multiaddrs.length > 0 || found.multiaddrs.length === 0) yield peer
      }
    },
  }
  return Object.defineProperty(dht, peerRoutingSymbol, { value: paced })
}
