/**
 * The reference Discovery: nodes of one process that share a directory of who holds what. Everyone is connected to everyone
 * and knows everything at once. For tests; production code never imports it.
 */
import type { Digest } from '../content/digest.ts'
import type { NameKey } from '../content/name-key.ts'
import type { PeerId } from '../host/host.ts'
import type { Discovery } from './discovery.ts'

/** What the nodes share. */
export interface MemoryDirectory {
  /** Only of nodes that run. */
  readonly announcedBy: Map<PeerId, Set<Digest | NameKey>>
}

export function createMemoryDirectory(): MemoryDirectory {
  return { announcedBy: new Map() }
}

export function createMemoryDiscovery(directory: MemoryDirectory, self: PeerId): Discovery {
  const announced = new Set<Digest | NameKey>()

  function holders(key: Digest | NameKey): PeerId[] {
    if (!directory.announcedBy.has(self)) return []
    const found: PeerId[] = []
    for (const [peer, keys] of directory.announcedBy) {
      if (peer !== self && keys.has(key)) found.push(peer)
    }
    return found
  }

  return {
    async start() {
      directory.announcedBy.set(self, announced)
    },
    async stop() {
      directory.announcedBy.delete(self)
    },
    holders,
    nameHolders: holders,
    async *search(digest, { signal }) {
      for (const peer of holders(digest)) {
        signal.throwIfAborted()
        yield peer
      }
    },
    announce: (digest) => void announced.add(digest),
    withdraw: (digest) => void announced.delete(digest),
    announceName: (key) => void announced.add(key),
    withdrawName: (key) => void announced.delete(key),
    stats: () => ({
      announced: [...announced].filter((key) => key.startsWith('sha512-')).length,
      ...{ announceBacklog: 0, announceFailures: 0, isAnnounceFailing: false },
      inventories: Math.max(0, directory.announcedBy.size - 1),
    }),
  }
}
