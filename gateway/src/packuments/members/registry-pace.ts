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

/** Answers that are remembered, and for how long: what was slow once need not be. */
const MAX_LAST = 8
const LATELY_MS = 60_000

/** Times as of `performance.now()`. */
interface Pace {
  readonly last: { readonly atMs: number; readonly tookMs: number }[]
  /** When those that are under way began. */
  readonly asked: Set<{ readonly atMs: number }>
}

export function createRegistryPace(): RegistryPace {
  const paces = new LRUCache<string, Pace>({ max: MAX_ORIGINS })
  const paceOf = (origin: string): Pace => {
    const pace = paces.get(origin) ?? { last: [], asked: new Set<{ readonly atMs: number }>() }
    paces.set(origin, pace)
    return pace
  }

  return {
    allowedMs(origin) {
      const { last, asked } = paceOf(origin)
      const nowMs = performance.now()
      // One that was under way when another was answered hangs by itself: it says nothing of the registry.
      const answeredMs = last.at(-1)?.atMs ?? -Infinity
      const oldest = [...asked].find(({ atMs }) => atMs >= answeredMs)
      const silentMs = oldest === undefined ? 0 : nowMs - oldest.atMs
      const tookMs = last.filter(({ atMs }) => nowMs - atMs < LATELY_MS).map((one) => one.tookMs)
      return Math.min(MOST_MS, Math.max(LEAST_MS, MARGIN * Math.max(silentMs, ...tookMs)))
    },
    async timed(origin, ask) {
      const { asked, last } = paceOf(origin)
      const question = { atMs: performance.now() }
      asked.add(question)
      try {
        const answer = await ask()
        const atMs = performance.now()
        if (last.push({ atMs, tookMs: atMs - question.atMs }) > MAX_LAST) last.shift()
        return answer
      } finally {
        asked.delete(question)
      }
    },
  }
}
