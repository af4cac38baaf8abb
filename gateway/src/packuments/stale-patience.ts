/**
 * How long to wait for a registry while an older answer is at hand. A slow registry is waited for, because only it knows what
 * was published meanwhile; one that says nothing at all keeps only the first requests waiting, and is asked on behind them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { unreachable } from '../upstream/upstream.ts'

export interface StalePatience {
  /**
   * The outcome of `work`, if it comes in time. The work goes on when it does not.
   * @throws CatalogError UPSTREAM_UNREACHABLE when patience ends, at once while the registry is known to be silent;
   *   `signal.reason` when aborted
   */
  waitFor<T>(work: Promise<T>, asked: { url: URL; signal: AbortSignal }): Promise<T>
}

const MAX_ORIGINS = 1_000

export function createStalePatience({ afterMs }: { afterMs: number }): StalePatience {
  const silent = new LRUCache<string, true>({ max: MAX_ORIGINS, ttl: afterMs })

  async function patienceEnds(url: URL, signal: AbortSignal): Promise<never> {
    if (!silent.has(url.origin)) {
      await sleep(afterMs, undefined, { signal })
      silent.set(url.origin, true)
    }
    throw unreachable(url, new Error(`it has not answered for ${afterMs} ms`))
  }

  return {
    async waitFor(work, { url, signal }) {
      // It may fail when nobody waits any more; any outcome is a sign of life.
      work.then(
        () => silent.delete(url.origin),
        () => undefined,
      )
      const over = new AbortController()
      const ends = patienceEnds(url, AbortSignal.any([signal, over.signal]))
      try {
        return await Promise.race([work, ends])
      } catch (error) {
        signal.throwIfAborted()
        throw error
      } finally {
        over.abort()
        ends.catch(() => undefined) // nobody waits for it any more
      }
    },
  }
}
