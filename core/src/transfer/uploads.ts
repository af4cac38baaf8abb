/** What we send to peers: rate limits, a bound on artifacts moving in bulk to one peer, and the counts for status. */
import type { Clock } from '../clock.ts'
import type { Digest } from '../content/digest.ts'
import type { PeerId } from '../host/host.ts'
import { combineRateLimits, createRateLimit, type RateLimit } from './rate-limit.ts'

/** A bulk transfer with no request for this long no longer counts. */
const BULK_IDLE_MS = 5_000

export interface Uploads {
  limitOf(peer: PeerId): RateLimit
  count(peer: PeerId, bytes: number, whole: boolean): void
  takeBulkSlot(peer: PeerId, digest: Digest): boolean
  sentBytes(peer: PeerId): number
  readonly bytes: number
  readonly artifacts: number
  forget(peer: PeerId): void
}

export function createUploads(
  clock: Clock,
  options: { uploadRate: number; uploadRatePerPeer: number; maxConcurrentTransfers: number },
): Uploads {
  const global = createRateLimit(clock, options.uploadRate)
  const peers = new Map<
    PeerId,
    { limit: RateLimit; bulk: Map<Digest, number>; sentBytes: number }
  >()
  let bytesSent = 0
  let artifacts = 0

  function stateOf(peer: PeerId) {
    let state = peers.get(peer)
    if (state === undefined) {
      const limit = combineRateLimits(global, createRateLimit(clock, options.uploadRatePerPeer))
      state = { limit, bulk: new Map<Digest, number>(), sentBytes: 0 }
      peers.set(peer, state)
    }
    return state
  }

  return {
    limitOf: (peer) => stateOf(peer).limit,
    count(peer, bytes, whole) {
      stateOf(peer).sentBytes += bytes
      bytesSent += bytes
      if (whole) artifacts++
    },
    takeBulkSlot(peer, digest) {
      const { bulk } = stateOf(peer)
      const nowMs = clock.now()
      if (!bulk.has(digest) && bulk.size >= options.maxConcurrentTransfers) {
        for (const [old, usedMs] of bulk) if (nowMs - usedMs > BULK_IDLE_MS) bulk.delete(old)
        if (bulk.size >= options.maxConcurrentTransfers) return false
      }
      bulk.set(digest, nowMs)
      return true
    },
    sentBytes: (peer) => peers.get(peer)?.sentBytes ?? 0,
    get bytes() {
      return bytesSent
    },
    get artifacts() {
      return artifacts
    },
    forget: (peer) => void peers.delete(peer),
  }
}
