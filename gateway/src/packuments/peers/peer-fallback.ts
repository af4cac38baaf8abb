/**
 * Peers in the order of sources: asked where no registry can be, or one is silent. Their word is kept beside the registry's own and
 * replaces nothing of it; while it is young nobody is asked again.
 */
import type { Logger } from '@catalog-p2p/core'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import { fetchPackument } from '../packument-fetch.ts'
import type { PackumentJobs } from '../worker/packument-jobs.ts'
import type { PackumentSource } from '../packument-source.ts'
import type { PoisonDocuments } from '../worker/poison-documents.ts'
import { createSingleFlight } from '../../single-flight.ts'
import type { Registry } from '../../upstream/registries.ts'

export interface PeerFallback {
  /**
   * What peers have, or had; undefined when they are not asked, have nothing, or the registry has spoken since.
   * @param renew ask again though their last word is young
   * @throws `request.signal.reason`
   */
  ask(question: PeerQuestion, options?: { renew: boolean }): Promise<CachedDocument | undefined>
}

export interface PeerQuestion {
  readonly request: { readonly name: string; readonly signal: AbortSignal }
  /** Whose documents count: those of peers are everybody's. */
  readonly view: { readonly owners: readonly string[] }
  readonly registry: Registry
}

export interface PeerFallbackDependencies {
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly poison: PoisonDocuments
  readonly peers?: PackumentSource
  readonly log: Logger
}

export function createPeerFallback(
  deps: PeerFallbackDependencies,
  options: { readonly maxAgeMs: number; readonly maxBytes: number },
): PeerFallback {
  const { cache, peers, log } = deps
  const fetches = createSingleFlight<CachedDocument>()

  function lastWord(registry: Registry, name: string): CachedDocument | undefined {
    const key = { registry: registry.url, name, owner: '' }
    const said = cache.find(key, 'peers')
    const own = cache.find(key)
    const isOld = said !== undefined && own !== undefined && own.confirmedAtMs >= said.confirmedAtMs
    return isOld ? undefined : said
  }

  return {
    async ask({ request, view, registry }, { renew } = { renew: false }) {
      const { name, signal } = request
      if (peers === undefined || !view.owners.includes('')) return undefined
      const said = lastWord(registry, name)
      const isYoung = said !== undefined && Date.now() - said.confirmedAtMs < options.maxAgeMs
      if (isYoung && !renew) return said
      const work = (aborted: AbortSignal): Promise<CachedDocument> =>
        fetchPackument({ ...deps, source: peers }, options, {
          ...{ registry, name, kind: 'full', credentials: undefined },
          credentialsAt: () => undefined,
          ...{ form: undefined, abbreviate: false, retries: undefined, signal: aborted },
        })
      try {
        await fetches.run(`${registry.url} ${name}`, work, signal)
        return lastWord(registry, name)
      } catch (error) {
        signal.throwIfAborted()
        log.debug('packuments.not-from-peers', { name, error })
        return said
      }
    },
  }
}
