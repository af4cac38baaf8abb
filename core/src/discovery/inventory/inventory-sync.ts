/**
 * Inventories of connected peers, kept in step: what we announce is on their lists within some 50 ms, and what they announce
 * on ours. Composes sender and listener. docs/protocol.md, section Inventory
 */
import type { Clock } from '../../timing/clock.ts'
import type { Digest } from '../../content/digest.ts'
import { digestPrefix, namePrefix } from '../../content/inventory-prefix.ts'
import type { NameKey } from '../../content/name-key.ts'
import type { Host, PeerId } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import { MAX_INVENTORY_PREFIXES } from '../../wire/inventory-messages.ts'
import { Inventory, type InventoryCounts } from './inventory.ts'
import { InventoryListener } from './inventory-listener.ts'
import { InventorySender } from './inventory-sender.ts'

export interface InventorySync {
  start(): void
  stop(): Promise<void>
  /** Lists it to all peers, now and later. Only what is announced is ever listed. */
  announce(digest: Digest): void
  withdraw(digest: Digest): void
  announceName(key: NameKey): void
  withdrawName(key: NameKey): void
  holders(digest: Digest): readonly PeerId[]
  nameHolders(key: NameKey): readonly PeerId[]
  /** Whether a connected peer has told all that it holds. */
  hasTold(peer: PeerId): boolean
  /** What a connected peer lists. */
  countsOf(peer: PeerId): InventoryCounts
  /** Connected peers that have told us their inventory. */
  readonly inventories: number
  /** Artifacts that we list. */
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
  const announcedNames = new Set<NameKey>()
  /** How many of what is announced share a listed prefix with another one: very few. */
  const shared = new Map<number, number>()
  const sender = new InventorySender({ ...deps, listed })
  const listener = new InventoryListener(deps)
  let removeListener: (() => void) | undefined

  function list(prefix: number): void {
    if (listed.has(prefix)) {
      shared.set(prefix, (shared.get(prefix) ?? 0) + 1)
    } else if (listed.size < MAX_INVENTORY_PREFIXES) {
      listed.add(prefix)
      sender.changed(prefix, true)
    } else {
      log.debug('inventory.full', { announced: announced.size, names: announcedNames.size })
    }
  }

  function unlist(prefix: number): void {
    const others = shared.get(prefix) ?? 0
    if (others > 1) shared.set(prefix, others - 1)
    else if (others === 1) shared.delete(prefix)
    else if (listed.remove(prefix)) sender.changed(prefix, false)
  }

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
      list(digestPrefix(digest))
    },
    withdraw(digest) {
      if (announced.delete(digest)) unlist(digestPrefix(digest))
    },
    announceName(key) {
      if (announcedNames.has(key)) return
      announcedNames.add(key)
      list(namePrefix(key))
    },
    withdrawName(key) {
      if (announcedNames.delete(key)) unlist(namePrefix(key))
    },

    holders: (digest) => listener.holders(digestPrefix(digest)),
    nameHolders: (key) => listener.holders(namePrefix(key)),
    hasTold: (peer) => listener.hasTold(peer),
    countsOf: (peer) => listener.countsOf(peer),
    get inventories() {
      return listener.count
    },
    get announced() {
      return announced.size
    },
  }
}
