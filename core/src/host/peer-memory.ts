/**
 * Which peers we have met, kept in libp2p's peer store beside their addresses, so that a restarted node finds its peers again
 * without asking anybody. With where we met them: after a restart their addresses are believed as far as they were before.
 */
import type { Libp2p, PeerId as LibP2PPeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'
import type { AddressRule } from './address-rule.ts'
import { bestConnection } from './best-connection.ts'
import type { PeerId } from './host.ts'

const FIRST_SEEN = 'catalog-first-seen'
const LAST_SEEN = 'catalog-last-seen'
/** The remote address of a connection with the peer. */
const MET_AT = 'catalog-met-at'
const RECENT_MS = 24 * 60 * 60 * 1000

export interface PeerMemory {
  /** A connection with the peer came or went just now. */
  saw(peer: PeerId): Promise<void>
  /** Peers to try first after a start: seen within a day, then the others; of each those known longest. */
  remembered(limit: number): Promise<PeerId[]>
}

interface Met {
  readonly peer: PeerId
  readonly isRecent: boolean
  readonly firstSeenMs: number
}

export function createPeerMemory(deps: {
  readonly libp2p: Libp2p
  readonly clock: Clock
  readonly rule: AddressRule
}): PeerMemory {
  const { libp2p, rule } = deps
  const { peerStore } = libp2p

  async function firstSeen(peer: LibP2PPeerId): Promise<Uint8Array | undefined> {
    if (!(await peerStore.has(peer))) return undefined
    return (await peerStore.get(peer)).metadata.get(FIRST_SEEN)
  }

  return {
    async saw(peer) {
      const id = peerIdFromString(peer)
      const now = Buffer.from(String(deps.clock.epochMs()))
      const first = await firstSeen(id)
      const place = bestConnection(libp2p.getConnections(id))?.remoteAddr
      await peerStore.merge(id, {
        metadata: {
          ...{ [FIRST_SEEN]: first ?? now, [LAST_SEEN]: now },
          ...(place && { [MET_AT]: place.bytes }),
        },
      })
    },

    async remembered(limit) {
      const now = deps.clock.epochMs()
      const met: Met[] = []
      for (const { id, metadata, addresses } of await peerStore.all()) {
        const lastSeenMs = toMs(metadata.get(LAST_SEEN))
        if (lastSeenMs === undefined || addresses.length === 0) continue
        const firstSeenMs = toMs(metadata.get(FIRST_SEEN)) ?? lastSeenMs
        const place = metadata.get(MET_AT)
        const said = addresses.map((address) => address.multiaddr)
        if (place !== undefined) rule.heardOver([multiaddr(place)], said)
        met.push({ peer: id.toString(), isRecent: now - lastSeenMs < RECENT_MS, firstSeenMs })
      }
      met.sort((a, b) => Number(b.isRecent) - Number(a.isRecent) || a.firstSeenMs - b.firstSeenMs)
      return met.slice(0, limit).map(({ peer }) => peer)
    },
  }
}

function toMs(value: Uint8Array | undefined): number | undefined {
  const ms = value === undefined ? NaN : Number(Buffer.from(value).toString('latin1'))
  return Number.isSafeInteger(ms) ? ms : undefined
}
