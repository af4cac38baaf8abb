/**
 * Bans of address groups: an id costs nothing, so a liar that is banned would be back at once under another. One liar is not
 * held against its address, as a whole company may be behind it: several ids must have lied within an hour, and the ban is
 * short. A network of our own is never banned: all machines of a LAN share its IPv6 prefix. Bounded; pure but for the clock.
 */
import { LRUCache } from 'lru-cache'
import { backOffMs } from '../timing/back-off.ts'
import type { Clock } from '../timing/clock.ts'
import type { PeerId } from '../host/host.ts'
import { isRelayGroup, networkOf, type AddressGroup } from '../limits/address-group.ts'

/** Ids of one address that have to lie within the hour. */
const LIARS_BEFORE_BAN = 3
const LIE_MEMORY_MS = 3600_000
const BAN = { firstMs: 5 * 60_000, maxMs: 3600_000, factor: 4 }
const MAX_GROUPS = 1_000
/** Of one group; more say nothing more. */
const MAX_LIARS = 16

export interface GroupBan {
  readonly group: AddressGroup
  readonly strikes: number
  readonly forMs: number
}

interface GroupRecord {
  /** When each of its ids lied last. */
  readonly liars: Map<PeerId, number>
  strikes: number
  bannedUntilMs: number
}

export class GroupBans {
  readonly #clock: Clock
  readonly #isLocal: ((ip: string) => boolean) | undefined
  readonly #groups = new LRUCache<AddressGroup, GroupRecord>({ max: MAX_GROUPS })

  constructor(clock: Clock, options: { readonly isLocal?: (ip: string) => boolean } = {}) {
    this.#clock = clock
    this.#isLocal = options.isLocal
  }

  /** No group is known, so a peer's group need not be looked up. */
  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  isBanned(group: AddressGroup): boolean {
    return (this.#groups.peek(group)?.bannedUntilMs ?? 0) > this.#clock.now()
  }

  /** One of its ids has lied. The ban, when that was one too many. */
  penalize(group: AddressGroup, peer: PeerId): GroupBan | undefined {
    // Those behind a relay have only the relay in common.
    if (isRelayGroup(group) || this.#isOwnNetwork(group)) return undefined
    const now = this.#clock.now()
    const record = this.#groups.get(group) ?? fresh()
    this.#groups.set(group, record)
    for (const [liar, atMs] of record.liars) {
      if (now - atMs > LIE_MEMORY_MS || record.liars.size >= MAX_LIARS) record.liars.delete(liar)
    }
    record.liars.set(peer, now)
    if (record.liars.size < LIARS_BEFORE_BAN || record.bannedUntilMs > now) return undefined
    record.strikes += 1
    const forMs = backOffMs(record.strikes, BAN)
    record.bannedUntilMs = now + forMs
    return { group, strikes: record.strikes, forMs }
  }

  /** An address of one machine is no network, wherever it is. */
  #isOwnNetwork(group: AddressGroup): boolean {
    const ip = networkOf(group)
    return ip !== undefined && this.#isLocal?.(ip) === true
  }

  /** A ban of an earlier run; 0 ms or less when it is over and only its strikes count. */
  restore({ group, strikes, forMs }: GroupBan): void {
    if (this.#isOwnNetwork(group)) return
    const bannedUntilMs = this.#clock.now() + forMs
    this.#groups.set(group, { ...fresh(), strikes, bannedUntilMs })
  }
}

function fresh(): GroupRecord {
  return { liars: new Map<PeerId, number>(), strikes: 0, bannedUntilMs: 0 }
}
