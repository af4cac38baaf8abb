/**
 * libp2p looks for relays by walking the DHT at random, one walk after another without a pause. In a
 * small network a walk ends at once and finds nobody new, so that would be a busy loop; with no peers it even starves the event
 * loop. Here walks wait for each other.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { peerRoutingSymbol, type PeerRouting } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

const FIRST_WALK_AFTER_MS = 3_000
const WALK_EVERY_MS = 60_000

/** The same DHT; only what libp2p calls for its own walks is paced, not queries of ours. */
export function withPacedWalks<Dht extends KadDHT>(dht: Dht): Dht {
  const routing = (dht as { [peerRoutingSymbol]?: PeerRouting })[peerRoutingSymbol]
  if (routing === undefined) return dht
  let nextWalkAt = performance.now() + FIRST_WALK_AFTER_MS
  const paced: PeerRouting = {
    findPeer: (peer, options) => routing.findPeer(peer, options),
    async *getClosestPeers(key, options) {
      const signal = options?.signal
      const waitMs = Math.max(nextWalkAt - performance.now(), 0)
      nextWalkAt += WALK_EVERY_MS
      await sleep(waitMs, undefined, { ref: false, ...(signal && { signal }) })
      nextWalkAt = Math.max(nextWalkAt, performance.now() + WALK_EVERY_MS)
      yield* routing.getClosestPeers(key, options)
    },
  }
  return Object.defineProperty(dht, peerRoutingSymbol, { value: paced })
}
