/**
 * What peers said of versions whose tarballs say something else: not believed again for an hour. A registry's own entry can differ
 * from the package, without anybody's malice, and then whoever passes it on is honest: so one such word is no lie yet. It is
 * one when another peer said otherwise, or when it happens to the same peer with one package after another. Bounded.
 */
import { LRUCache } from 'lru-cache'

export interface RefusedWord {
  readonly version: string
  readonly peer: string
}

const REFUSED_MS = 3_600_000
const MAX_PACKAGES = 1_000
/** Of one package. */
const MAX_WORDS = 100
const MAX_PEERS = 1_000
/** Packages within the hour of which one peer can't be mistaken by chance: of a real project's thousand hardly one differs. */
const LIAR_AFTER = 3

export class RefusedWords {
  readonly #words: LRUCache<string, readonly RefusedWord[]>
  readonly #packages: LRUCache<string, ReadonlySet<string>>

  constructor(now: () => number = () => performance.now()) {
    const kept = { ttl: REFUSED_MS, ttlResolution: 0, perf: { now } }
    this.#words = new LRUCache({ ...kept, max: MAX_PACKAGES })
    this.#packages = new LRUCache({ ...kept, max: MAX_PEERS })
  }

  /** @param name of a package, in the registry that it belongs to */
  of(name: string): readonly RefusedWord[] {
    return this.#words.get(name) ?? []
  }

  /** Whether it proves that the peer lies. */
  add(name: string, word: RefusedWord & { readonly isDisputed: boolean }): boolean {
    const { version, peer, isDisputed } = word
    this.#words.set(name, [...this.of(name), { version, peer }].slice(-MAX_WORDS))
    const packages = new Set(this.#packages.get(peer)).add(name)
    this.#packages.set(peer, packages)
    return isDisputed || packages.size >= LIAR_AFTER
  }
}
