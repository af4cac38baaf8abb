/**
 * How long a registry takes with documents that this machine asks it for itself, so that a member that waits for the same registry
 * is not taken for a slow one. A member's word has no part in it. Asks nothing itself.
 */
import { LRUCache } from 'lru-cache'

export interface RegistryPace {
  /** How long somebody else may be at it, milliseconds. */
  allowedMs(origin: string): number
  timed<T>(origin: string, ask: () => Promise<T>): Promise<T>
}

/** A registry seldom takes longer. */
const LEAST_MS = 2_000
/** However slow it is. */
const MOST_MS = 30_000
/** So many times what it takes here. */
const MARGIN = 2
const MAX_ORIGINS = 1_000

/** Answers that are remembered. */
const MAX_LAST = 8

interface Pace {
  /** What its last answers took. */
  readonly lastMs: number[]
  /** When those that are under way began, as `performance.now()`. */
  readonly asked: Set<number>
}

export function createRegistryPace(): RegistryPace {
  const paces = new LRUCache<string, Pace>({ max: MAX_ORIGINS })
  const paceOf = (origin: string): Pace => {
    const pace = paces.get(origin) ?? { lastMs: [], asked: new Set<number>() }
    paces.set(origin, pace)
    return pace
  }

  return {
    allowedMs(origin) {
      const { lastMs, asked } = paceOf(origin)
      const [oldest] = asked
      const waitingMs = oldest === undefined ? 0 : performance.now() - oldest
      return Math.min(MOST_MS, Math.max(LEAST_MS, MARGIN * Math.max(waitingMs, ...lastMs)))
    },
    async timed(origin, ask) {
      const { asked, lastMs } = paceOf(origin)
      const sinceMs = performance.now()
      asked.add(sinceMs)
      try {
        const answer = await ask()
        if (lastMs.push(performance.now() - sinceMs) > MAX_LAST) lastMs.shift()
        return answer
      } finally {
        asked.delete(sinceMs)
      }
    },
  }
}
