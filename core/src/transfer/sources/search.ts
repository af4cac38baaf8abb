/**
 * The last source of an artifact: peers beyond the swarm. Each is asked as it is found, beside those found earlier that have
 * not answered yet, until one gives it. It never asks a peer twice (swarm.ts remembers).
 */
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import type { Digest } from '../../content/digest.ts'
import type { Discovery } from '../../discovery/discovery.ts'
import type { PeerId } from '../../host/host.ts'
import type { Attempt } from './hedge.ts'
import { noProviders } from './source.ts'

const SEARCH_DEADLINE_MS = 10_000
/** A peer is alone for this long before the next one found is asked beside it. */
const ALONE_MS = 500

export function createSearchAttempt<T>(
  digest: Digest,
  deps: {
    discovery: Discovery
    clock: Clock
    /** Undefined for a peer that is not worth asking. */
    ask: (peer: PeerId) => Attempt<T> | undefined
  },
): Attempt<T> {
  return {
    hedgeMs: ALONE_MS,
    async run(signal) {
      const won = Promise.withResolvers<T>()
      const stop = new AbortController()
      const all = AbortSignal.any([signal, stop.signal])
      try {
        return await Promise.race([won.promise, askAll(digest, deps, all, won.resolve)])
      } finally {
        stop.abort(new Error('the search is over'))
      }
    },
  }
}

async function askAll<T>(
  digest: Digest,
  deps: Parameters<typeof createSearchAttempt<T>>[1],
  signal: AbortSignal,
  onFound: (result: T) => void,
): Promise<never> {
  const running: Promise<void>[] = []
  let failure: unknown
  const deadline = AbortSignal.any([signal, timeoutSignal(deps.clock, SEARCH_DEADLINE_MS, signal)])
  try {
    for await (const peer of deps.discovery.search(digest, { signal: deadline })) {
      const attempt = deps.ask(peer)
      if (attempt === undefined) continue
      const failedForNow = Promise.withResolvers<void>()
      const asking = attempt
        .run(signal, failedForNow.resolve)
        .then(onFound, (error: unknown) => void (failure = error))
      running.push(asking)
      const late = deps.clock.sleep(attempt.hedgeMs ?? ALONE_MS, signal)
      await Promise.race([asking, failedForNow.promise, late])
    }
  } catch (error) {
    if (!deadline.aborted) throw error
  }
  await Promise.all(running)
  signal.throwIfAborted() // found meanwhile, or nobody wants it any more
  throw noProviders(digest, failure)
}
