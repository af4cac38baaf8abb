/**
 * Inventories of connected peers, kept in step: what we announce is on their lists within some 50 ms, and what they announce
 * on ours. Composes sender and listener. docs/protocol.md, section Inventory
 */
import type { Clock } from '../../timing/clock.ts'
import { digestPrefix, type Digest } from '../../content/digest.ts'
import type { Host, PeerId } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import { MAX_INVENTORY_PREFIXES } from '../../wire/inventory-messages.ts'
import { Inventory } from './inventory.ts'
import { InventoryListener } from './inventory-listener.ts'
import { InventorySender } from './inventory-sender.ts'

export interface InventorySync {
  start(): void
  stop(): Promise<void>
  /** Lists `digest` to all peers, now and later. Only what is announced is ever listed. */
  announce(digest: Digest): void
  withdraw(digest: Digest): void
  holders(digest: Digest): readonly PeerId[]
  /** Prefixes that a connected peer lists. */
  sizeOf(peer: PeerId): number
  /** Connected peers that have told us their inventory. */
  readonly inventories: number
  readonly announced: number
}

export function createInventorySync(deps: {
  readonly host: Host
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
}): InventorySync {
  const { host, log } = deps
  const listed = new Inventory()
  const announced = new Set<Digest>()
  /** How many announced digests share a listed prefix with another one: practically always empty. */
  const shared = new Map<bigint, number>()
  const sender = new InventorySender({ ...deps, listed })
  const listener = new InventoryListener(deps)
  let removeListener: (() => void) | undefined

  return {
    start() {
      if (removeListener !== undefined) return
      listener.start()
      sender.start()
      removeListener = host.onEvent(({ type, peer }) => {
        if (type === 'connected') {
          sender.connected(peer)
        } else {
          sender.disconnected(peer)
          listener.disconnected(peer)
        }
      })
      for (const { peer } of host.peers()) sender.connected(peer)
    },

    async stop() {
      removeListener?.()
      removeListener = undefined
      await Promise.all([sender.stop(), listener.stop()])
    },

    announce(digest) {
      if (announced.has(digest)) return
      announced.add(digest)
      const prefix = digestPrefix(digest)
      if (listed.has(prefix)) {
        shared.set(prefix, (shared.get(prefix) ?? 0) + 1)
      } else if (listed.size < MAX_INVENTORY_PREFIXES) {
        listed.add(prefix)
        sender.changed(prefix, true)
      } else {
        log.debug('inventory.full', { announced: announced.size })
      }
    },

    withdraw(digest) {
      if (!announced.delete(digest)) return
      const prefix = digestPrefix(digest)
      const others = shared.get(prefix) ?? 0
      if (others > 1) shared.set(prefix, others - 1)
      else if (others === 1) shared.delete(prefix)
      else if (listed.remove(prefix)) sender.changed(prefix, false)
    },

    holders: (digest) => listener.holders(digestPrefix(digest)),
    sizeOf: (peer) => listener.sizeOf(peer),
    get inventories() {
      return listener.count
    },
    get announced() {
      return announced.size
    },
  }
}
