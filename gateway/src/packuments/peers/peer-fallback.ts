/**
 * When peers are asked for metadata: where no registry can be, for a package of which nothing is at hand, or only what peers
 * said some time ago. What the registry itself has given is never replaced by their word.
 */
import type { Logger } from '@catalog-p2p/core'
import type { CachedDocument } from '../cached-document.ts'
import type { PackumentCache } from '../packument-cache.ts'
import { fetchPackument } from '../packument-fetch.ts'
import type { PackumentJobs } from '../packument-jobs.ts'
import type { PackumentSource } from '../packument-source.ts'
import type { PoisonDocuments } from '../poison-documents.ts'
import { createSingleFlight } from '../../single-flight.ts'
import type { Registry } from '../../upstream/registries.ts'

export interface PeerFallback {
  /**
   * What peers have; undefined when they are not asked, or have nothing.
   * @param atHand the best there is
   * @throws `request.signal.reason`
   */
  ask(
    question: PeerQuestion,
    atHand: CachedDocument | undefined,
  ): Promise<CachedDocument | undefined>
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
  const { peers, log } = deps
  const fetches = createSingleFlight<CachedDocument>()

  function isCurrent({ peerFetchedAtMs, confirmedAtMs }: CachedDocument): boolean {
    return peerFetchedAtMs === undefined || Date.now() - confirmedAtMs < options.maxAgeMs
  }

  return {
    async ask({ request, view, registry }, atHand) {
      const { name, signal } = request
      if (peers === undefined || !view.owners.includes('')) return undefined
      if (atHand !== undefined && isCurrent(atHand)) return undefined
      const work = (aborted: AbortSignal): Promise<CachedDocument> =>
        fetchPackument({ ...deps, source: peers }, options, {
          ...{ registry, name, kind: 'full', credentials: undefined },
          credentialsAt: () => undefined,
          ...{ form: undefined, abbreviate: false, retries: undefined, signal: aborted },
        })
      try {
        return await fetches.run(`${registry.url} ${name}`, work, signal)
      } catch (error) {
        signal.throwIfAborted()
        log.debug('packuments.not-from-peers', { name, error })
        return undefined
      }
    },
  }
}
