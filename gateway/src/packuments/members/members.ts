/**
 * Whom to ask for metadata instead of the registry: the machine of our certified swarm that asks it for all. Nobody for what is
 * not public as far as is known, what this machine has changed itself, what a client wants from the registry itself, and packages of
 * which a member's word did not hold.
 */
import { LRUCache } from 'lru-cache'
import type { CatalogNode, Logger } from '@catalog-p2p/core'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { Question } from '../packument-request.ts'

export interface Members {
  /**
   * undefined: the registry is asked.
   * @param at `epoch`: of the package's changes that this machine has heard of; 0: none
   */
  delegateFor(
    question: Question,
    at: { readonly old: CachedDocument | undefined; readonly epoch: number },
  ): string | undefined
  /** Something has come from a machine that asks the registry for us. */
  heard(this: void): void
  /** Whether it has since then (`performance.now()`): a registry that need not be asked meanwhile is not silent. */
  heardSince(this: void, sinceMs: number): boolean
  /** What it said of that package is not to be believed; a lie if no honest machine would have said so. */
  distrust(
    this: void,
    of: MembersWord,
    what: { readonly why: string; readonly isLie: boolean },
  ): void
}

/** A document of a member. */
export interface MembersWord {
  readonly registry: string
  readonly name: string
  readonly member: string
}

/** Packages for which the registry is asked, and for how long. */
const MAX_DISTRUSTED = 10_000
const DISTRUSTED_MS = 3_600_000

export function createMembers({
  node,
  isKnownPublic,
  log,
}: {
  readonly node: Pick<CatalogNode, 'fleet' | 'questions'>
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}): Members {
  const distrusted = new LRUCache<string, true>({ max: MAX_DISTRUSTED, ttl: DISTRUSTED_MS })
  let heardAtMs = -Infinity
  const keyOf = (registry: string, name: string): string => `${registry} ${name}`

  return {
    delegateFor({ request, view, registry }, { old, epoch }) {
      const { name, isErrand = false, revalidate = false } = request
      const isChanged = epoch > 0 || (old !== undefined && old.freshness !== 'current')
      if (isErrand || revalidate || isChanged || view.credentials !== undefined) return undefined
      const delegate = node.fleet.metadata.delegateOf({ registry: registry.url, name })
      if (delegate === undefined || distrusted.has(keyOf(registry.url, name))) return undefined
      return isKnownPublic(name) ? delegate : undefined
    },
    heard: () => void (heardAtMs = performance.now()),
    heardSince: (sinceMs) => heardAtMs >= sinceMs,
    distrust({ registry, name, member }, { why, isLie }) {
      distrusted.set(keyOf(registry, name), true)
      log.warn('metadata.member-not-believed', { name, member, why, isLie })
      if (isLie) node.questions.penalize(member, `${name}: ${why}`)
    },
  }
}
