/**
 * How many peers the LAN may show us: per packet, per source, and in total. Any machine on the link can send packets about
 * peers that do not exist, and each one costs a row in the peer store and a dial. A node that shows itself again costs
 * nothing. Pure but for the time, which is an argument; docs/operating.md, section Limits
 */
import { LRUCache } from 'lru-cache'
import { ipGroup } from '../../limits/address-group.ts'
import { TokenBucket } from '../../limits/token-bucket.ts'
import type { PeerId } from '../host.ts'

/** A packet of ours is about one. */
const PEERS_PER_PACKET = 4
const ADDRESSES_PER_PEER = 16
/** New peers of one source at once, and a second; of all sources. */
const SOURCE = { burst: 16, perSecond: 1 / 5 }
const ALL = { burst: 256, perSecond: 8 }
const MAX_SOURCES = 1_000
const MAX_KNOWN_OF_SOURCE = 32

export interface LanBudget {
  /** What of a packet is believed: peers and their addresses. `source` is the sender's IP address. */
  admit(
    source: string,
    peers: ReadonlyMap<PeerId, readonly string[]>,
    nowMs: number,
  ): (readonly [PeerId, readonly string[]])[]
}

export function createLanBudget(): LanBudget {
  const all = new TokenBucket(ALL)
  const sources = new LRUCache<string, { budget: TokenBucket; known: LRUCache<PeerId, true> }>({
    max: MAX_SOURCES,
  })

  function sourceOf(address: string) {
    const name = ipGroup(address) ?? address
    const source = sources.get(name) ?? {
      budget: new TokenBucket(SOURCE),
      known: new LRUCache<PeerId, true>({ max: MAX_KNOWN_OF_SOURCE }),
    }
    sources.set(name, source)
    return source
  }

  return {
    admit(address, peers, nowMs) {
      const source = sourceOf(address)
      return [...peers].slice(0, PEERS_PER_PACKET).flatMap(([peer, addresses]) => {
        if (!source.known.has(peer)) {
          if (!source.budget.take(1, nowMs) || !all.take(1, nowMs)) return []
          source.known.set(peer, true)
        }
        return [[peer, addresses.slice(0, ADDRESSES_PER_PEER)] as const]
      })
    },
  }
}
