/**
 * The Discovery of a real node: inventories of connected peers first, peer exchange to have some, the DHT beyond. Composes
 * the parts of this folder and adds nothing to them.
 */
import type { Clock } from '../timing/clock.ts'
import type { Digest } from '../content/digest.ts'
import type { Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { Random } from '../random.ts'
import { Announcer } from './dht/announcer.ts'
import type { Discovery } from './discovery.ts'
import type { InventoryCounts } from './inventory/inventory.ts'
import { createInventorySync } from './inventory/inventory-sync.ts'
import { createNewcomers } from './inventory/newcomers.ts'
import { PeerExchange } from './exchange/peer-exchange.ts'
import { ProviderSearch } from './dht/provider-search.ts'

export interface SwarmDiscovery extends Discovery {
  /** What a connected peer lists; nothing while it has told nothing. */
  inventoryCounts(peer: PeerId): InventoryCounts
  /** Connected peers that have not told yet what they hold, and may be asked for it now. */
  readonly newcomers: () => PeerId[]
}

/** Start it after `host`, stop it before. */
export function createSwarmDiscovery(
  deps: {
    readonly host: Host
    readonly clock: Clock
    readonly random: Random
    readonly log: Logger
    readonly onMisbehaviour: (peer: PeerId, reason: string) => void
  },
  options: {
    readonly peerExchange: boolean
    readonly dht: boolean
    /** Connections that peer exchange dials up to. */
    readonly targetPeers: number
  },
): SwarmDiscovery {
  const { host } = deps
  const routing = options.dht ? host.routing : undefined
  const inventory = createInventorySync(deps)
  const newcomers = createNewcomers({ ...deps, hasTold: (peer) => inventory.hasTold(peer) })
  const exchange = options.peerExchange ? new PeerExchange(deps, options) : undefined
  const announcer = routing && new Announcer({ ...deps, routing })
  const providers = routing && new ProviderSearch({ ...deps, routing })

  return {
    async start() {
      inventory.start()
      exchange?.start()
      announcer?.start()
      providers?.start()
    },

    async stop() {
      await Promise.all([providers?.stop(), announcer?.stop(), exchange?.stop()])
      await inventory.stop()
    },

    // No question to the host: the inventory of a peer is dropped the moment it disconnects.
    holders: (digest) => inventory.holders(digest),
    nameHolders: (key) => inventory.nameHolders(key),

    async *search(digest: Digest, { signal }: { signal: AbortSignal }) {
      if (providers !== undefined) yield* providers.search(digest, { signal })
    },

    announce(digest) {
      inventory.announce(digest)
      announcer?.announce(digest)
    },

    withdraw(digest) {
      inventory.withdraw(digest)
      announcer?.withdraw(digest)
    },

    stats: () => ({
      announced: inventory.announced,
      announceBacklog: announcer?.backlog ?? 0,
      announceFailures: announcer?.failures ?? 0,
      isAnnounceFailing: announcer?.isFailing ?? false,
      inventories: inventory.inventories,
    }),

    announceName: (key) => inventory.announceName(key),
    withdrawName: (key) => inventory.withdrawName(key),

    inventoryCounts: (peer) => inventory.countsOf(peer),
    newcomers,
  }
}
