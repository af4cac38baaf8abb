/**
 * Port 3: who holds what. Implementations: memory-discovery.ts (reference) and swarm-discovery.ts
 * (inventories of connected peers first, the DHT beyond). One contract suite
 * (test/contract/discovery.contract.ts) runs on both.
 */
import type { Digest } from '../content/digest.ts'
import type { NameKey } from '../content/name-key.ts'
import type { PeerId } from '../host/host.ts'

export interface DiscoveryStats {
  /** Artifacts we tell others we hold. */
  readonly announced: number
  /** Announcements that wait for their turn in the DHT. */
  readonly announceBacklog: number
  /** Announcements in the DHT that failed, this run. */
  readonly announceFailures: number
  /** The last one has failed: nobody takes them now. */
  readonly isAnnounceFailing: boolean
  /** Connected peers that have told us their inventory. */
  readonly inventories: number
}

export interface Discovery {
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Connected peers that say they hold `digest` (a prefix match: rarely, one may not). Synchronous, no network, any order.
   */
  holders(digest: Digest): readonly PeerId[]
  /** Connected peers that say they have a record of that name, and its artifact; as `holders`. */
  nameHolders(key: NameKey): readonly PeerId[]
  /** Looks beyond the swarm (DHT), connects to providers and yields them. Ends by itself; throws when aborted. */
  search(digest: Digest, options: { signal: AbortSignal }): AsyncIterable<PeerId>
  /** Tells the swarm at once (batched) and the DHT in the background at a bounded rate. Returns at once. */
  announce(digest: Digest): void
  withdraw(digest: Digest): void
  /** Tells the swarm that we have a record of that name, and its artifact. Names never go into the DHT. */
  announceName(key: NameKey): void
  withdrawName(key: NameKey): void
  stats(): DiscoveryStats
}
