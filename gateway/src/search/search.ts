/**
 * Searches beside a registry's own: what this node knows, and what a few peers say, as one list; and the answers to peers' own
 * searches. Private packages are in none of them, and a text that names one goes to no peer.
 */
import {
  registryOf,
  type CatalogNode,
  type HeadRelease,
  type PublishedName,
} from '@catalog-p2p/core'
import { createPrivateNames } from '../artifacts/visibility/privacy.ts'
import { isPackageName, scopeOf } from '../http/route.ts'
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'
import type { Registries } from '../upstream/registries.ts'
import { answerPeers } from './answer-peers.ts'
import type { LocalIndex } from './local-index.ts'
import { lookUpNamed, type LookUpDependencies } from './look-up-named.ts'
import { mergeFindings, type FoundPackage, type SearchResult } from './merge.ts'
import { searchPeers } from './peer-search.ts'
import { MAX_RESULTS } from './search-messages.ts'
import { wordsOf } from './search-words.ts'

export interface Search {
  /** `upstream`: what a registry has found, if it was asked. */
  find(
    text: string,
    options: {
      /** Results, at most 50. */
      readonly limit: number
      readonly upstream?: readonly FoundPackage[]
      readonly signal: AbortSignal
    },
  ): Promise<Found>
  /** Resolves when no peer is being answered any more. */
  close(): Promise<void>
}

export interface Found {
  readonly results: readonly SearchResult[]
  readonly peers: { readonly asked: number; readonly answered: number }
}

export interface SearchDependencies extends LookUpDependencies {
  readonly node: CatalogNode
  readonly index: LocalIndex
  readonly cache: PackumentCache
  readonly registries: Registries
  readonly isKnownPublic: (name: string) => boolean
}

const NO_PEERS = { asked: 0, answers: [] } as const

export function createSearch(
  deps: SearchDependencies,
  options: { readonly privateScopes: readonly string[]; readonly shareScopes: readonly string[] },
): Search {
  const { node, index, log } = deps
  const { questions } = node
  const visible = new PublicPackages(deps, createPrivateNames(options))
  const local = (words: readonly string[], limit: number): FoundPackage[] =>
    index.find(words, { limit, isShown: (row) => visible.isShown(row) })
  const answering = answerPeers({ questions, now: () => performance.now() }, local)
  return {
    async find(text, { limit: wanted, upstream = [], signal }) {
      const limit = Math.min(MAX_RESULTS, wanted)
      const words = wordsOf(text)
      const mayAsk = words.length > 0 && visible.mayTell(words)
      const found = mayAsk
        ? await searchPeers({ questions, log }, { words, limit, signal })
        : NO_PEERS
      await lookUpNamed(deps, found.answers.flat(), signal)
      // What is said of a name that comes from the network's publishers is not what would be installed.
      const ofRegistries = (list: readonly FoundPackage[]): FoundPackage[] =>
        list.filter(({ name }) => visible.hasHome(name))
      const findings = {
        upstream: ofRegistries(upstream),
        local: local(words, limit),
        peers: found.answers.map(ofRegistries),
      }
      const isKnown = (each: FoundPackage): boolean => visible.isKnown(each)
      return {
        results: mergeFindings(findings, { limit, isKnown }),
        peers: { asked: found.asked, answered: found.answers.length },
      }
    },
    close: () => answering.stop(),
  }
}

/** What may be shown, told and believed to exist, as far as is known without asking anybody. */
class PublicPackages {
  readonly #deps: SearchDependencies
  readonly #isMarked: (name: string) => boolean

  constructor(deps: SearchDependencies, isMarked: (name: string) => boolean) {
    this.#deps = deps
    this.#isMarked = isMarked
  }

  /** A row of the index: its document is still here, and for everybody. */
  isShown({ registry, name }: { readonly registry: string; readonly name: string }): boolean {
    const origin = this.#deps.originOf(name)
    if (origin.kind === 'network') {
      const publisher = origin.publishers.find((each) => registryOf(each) === registry)
      return publisher !== undefined && this.#isPublished({ name, publisher })
    }
    if (this.#homeOf(name) !== registry || !this.#deps.isKnownPublic(name)) return false
    return this.#deps.cache.visibilityOf(registry, name) === 'public'
  }

  #isPublished(published: PublishedName): boolean {
    const { releases } = this.#deps.node.publications.knownHead(published) ?? {}
    if (releases === undefined || releases.size === 0 || this.#isMarked(published.name))
      return false
    const { node } = this.#deps
    const isPrivate = ({ statement }: HeadRelease): boolean =>
      node.entry(statement)?.visibility === 'private'
    return ![...releases.values()].some(isPrivate)
  }

  /** Whether a registry is known that it would come from. */
  hasHome(name: string): boolean {
    return this.#homeOf(name) !== undefined
  }

  /** What a peer says there is: this node has its metadata, or its registry's signature on that version. */
  isKnown({ name, version }: FoundPackage): boolean {
    const { node, cache } = this.#deps
    const registry = this.#homeOf(name)
    if (registry === undefined) return false
    if (cache.visibilityOf(registry, name) === 'public') return true
    return node.findRecord({ registry, name, version }) !== undefined
  }

  /** Whether peers may hear these words: not where they name a private package or scope, nor what a private registry is for. */
  mayTell(words: readonly string[]): boolean {
    const { registries } = this.#deps
    const home = registries.homeOf(undefined)
    if (!home.isPublic || registries.isCertified(home)) return false
    return words.every((word) => this.#mayName(word))
  }

  #mayName(word: string): boolean {
    const { isKnownPublic } = this.#deps
    if (this.#isMarked(word)) return false
    const name = word.includes('/') ? word : `${word}/-`
    if (word.startsWith('@')) {
      if (!isPackageName(name) || this.#homeOf(name) === undefined) return false
      return !this.#isMarked(scopeOf(name) ?? '') && isKnownPublic(name)
    }
    // A scope without its @ is as telling as with it.
    const scope = `@${word.split('/', 1)[0] ?? ''}`
    if (this.#isMarked(scope)) return false
    if (word.includes('/') && isPackageName(`@${word}`) && !isKnownPublic(`@${word}`)) return false
    return this.#isPublicHome(`${scope}/-`)
  }

  #isPublicHome(name: string): boolean {
    try {
      return this.#deps.registries.homeOf(name).isPublic
    } catch {
      return false // a scope whose registry is not known
    }
  }

  #homeOf(name: string): string | undefined {
    try {
      return this.#deps.registries.homeOf(name).url
    } catch {
      return undefined // a scope whose registry is not known
    }
  }
}
