/** What we send to peers: rate limits, a bound on artifacts moving in bulk to one peer, and the counts for status. */
import type { Clock } from '../../timing/clock.ts'
import type { PeerId } from '../../host/host.ts'
import { createBulkSlots, type BulkSlots } from '../chunks/bulk-slots.ts'
import { combineRateLimits, createRateLimit, type RateLimit } from '../rate-limit.ts'
import { createUploadMemory, type UploadMemory } from './upload-memory.ts'

/** Bytes read for answers that have not left. A peer that reads what it requests needs 12 MiB. */
const MEMORY = { maxBytes: 128 * 1024 * 1024, maxBytesPerPeer: 32 * 1024 * 1024 }

export interface Uploads {
  limitOf(peer: PeerId): RateLimit
  readonly slots: BulkSlots
  readonly memory: UploadMemory
  /** `whole`: with it an artifact has gone out, or begun to. */
  count(peer: PeerId, bytes: number, whole: boolean): void
  sentBytes(peer: PeerId): number
  readonly bytes: number
  readonly artifacts: number
  /** The peer has gone. */
  forget(peer: PeerId): void
}

export function createUploads(
  clock: Clock,
  options: { uploadRate: number; uploadRatePerPeer: number; maxConcurrentTransfers: number },
): Uploads {
  const global = createRateLimit(clock, options.uploadRate)
  const peers = new Map<PeerId, { limit: RateLimit; sentBytes: number }>()
  let bytesSent = 0
  let artifacts = 0

  return {
    limitOf(peer) {
      let state = peers.get(peer)
      if (state === undefined) {
        const limit = combineRateLimits(global, createRateLimit(clock, options.uploadRatePerPeer))
        state = { limit, sentBytes: 0 }
        peers.set(peer, state)
      }
      return state.limit
    },
    slots: createBulkSlots(options.maxConcurrentTransfers),
    memory: createUploadMemory(MEMORY),
    count(peer, bytes, whole) {
      bytesSent += bytes
      if (whole) artifacts++
      const state = peers.get(peer)
      if (state !== undefined) state.sentBytes += bytes // gone meanwhile otherwise
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
