/**
 * Token buckets for upload and download, in bytes per second. A bucket may go into debt: callers wait until it is out of debt,
 * then take what they are about to move, or spend it afterwards where the size was not known. So an answer may be larger than
 * the burst, needs no reservation, and the rate holds on average, never at each moment.
 */
import type { PeerId } from '../host/host.ts'
import type { Clock } from '../timing/clock.ts'

export interface RateLimit {
  /** Resolves when more may be moved, with `bytes` spent: of many that wait, one gets through. Rejects with `signal.reason`. */
  take(bytes: number, signal: AbortSignal): Promise<void>
  /** What has been moved beyond what was taken; below 0 to give back. */
  spend(bytes: number): void
}

export const unlimited: RateLimit = { take: () => Promise.resolve(), spend: () => undefined }

/** Bytes a bucket saves up while nothing moves, as seconds of its rate. */
const BURST_SECONDS = 0.25
/** Timers count 31 bits of milliseconds; a longer wait is taken in parts. */
const MAX_SLEEP_MS = 60_000

/** `bytesPerSecond` 0 means no limit. */
export function createRateLimit(clock: Clock, bytesPerSecond: number): RateLimit {
  if (bytesPerSecond === 0) return unlimited
  const burst = bytesPerSecond * BURST_SECONDS
  let tokens = burst
  let filledAtMs = clock.now()

  function fill(): void {
    const nowMs = clock.now()
    tokens = Math.min(burst, tokens + ((nowMs - filledAtMs) / 1000) * bytesPerSecond)
    filledAtMs = nowMs
  }

  return {
    async take(bytes, signal) {
      for (;;) {
        signal.throwIfAborted()
        fill()
        if (tokens > 0) {
          tokens -= bytes
          return
        }
        const untilPaidMs = Math.max(1, (-tokens / bytesPerSecond) * 1000)
        await clock.sleep(Math.min(MAX_SLEEP_MS, untilPaidMs), signal)
      }
    },
    spend(bytes) {
      fill()
      tokens -= bytes
    },
  }
}

/** Waits for all of several limits, spends from all. */
export function combineRateLimits(...limits: readonly RateLimit[]): RateLimit {
  const real = limits.filter((limit) => limit !== unlimited)
  if (real.length === 0) return unlimited
  return {
    async take(bytes, signal) {
      const taken: RateLimit[] = []
      try {
        for (const limit of real) {
          await limit.take(bytes, signal)
          taken.push(limit)
        }
      } catch (error) {
        for (const limit of taken) limit.spend(-bytes)
        throw error
      }
    },
    spend(bytes) {
      for (const limit of real) limit.spend(bytes)
    },
  }
}

/** Peers whose limit is remembered. */
const MAX_PEERS = 1_000

/** One limit for all peers together and one for each, in bytes per second; 0 means none. */
export function createPeerLimits(
  clock: Clock,
  rate: number,
  ratePerPeer: number,
): (peer: PeerId) => RateLimit {
  const total = createRateLimit(clock, rate)
  const limits = new Map<PeerId, RateLimit>()
  return (peer) => {
    let limit = limits.get(peer)
    if (limit === undefined) {
      limit = combineRateLimits(total, createRateLimit(clock, ratePerPeer))
      if (limits.size >= MAX_PEERS) limits.clear()
      limits.set(peer, limit)
    }
    return limit
  }
}
