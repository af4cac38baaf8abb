/**
 * When a registry counts as silent: nothing at all has come from it for half a second, whoever asked. One that answers others
 * is only slow with this answer, and is waited for. Asks nobody.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Upstream } from '../upstream/upstream.ts'

export interface SilentRegistry {
  /** Resolves when it is; at once while it has been since somebody found out. @throws `signal.reason` */
  whenSilent(origin: string, signal: AbortSignal): Promise<void>
}

const SILENT_MS = 500
/** After that it gets its half second once more. */
const REMEMBERED_MS = 5_000
const MAX_ORIGINS = 1_000

export function createSilentRegistry(upstream: Pick<Upstream, 'isSilent'>): SilentRegistry {
  /** Since when, as `performance.now()`. */
  const silent = new LRUCache<string, number>({ max: MAX_ORIGINS, ttl: REMEMBERED_MS })
  return {
    async whenSilent(origin, signal) {
      signal.throwIfAborted()
      const since = silent.get(origin)
      if (since !== undefined && upstream.isSilent(origin, since)) return
      for (;;) {
        const sinceMs = performance.now()
        await sleep(SILENT_MS, undefined, { signal, ref: false })
        if (!upstream.isSilent(origin, sinceMs)) continue
        silent.set(origin, sinceMs)
        return
      }
    },
  }
}
