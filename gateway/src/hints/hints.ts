/**
 * Fetches ahead of a client what it said, by an audit or a lockfile, that its project holds. Runs only while the client
 * itself asks for tarballs, only with the concurrency that its own requests leave, and never on a request's path: a client that
 * asks for what is on its way joins that download. A hint that fails is forgotten; the client's own request will say why.
 */
import type { ArtifactSource, CatalogNode, Digest, Logger } from '@catalog-p2p/core'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { hintKey, type Hint } from './hint.ts'
import type { HintList } from './hint-list.ts'
import { HintLists } from './hint-lists.ts'
import {
  digestOfHint,
  isForOtherPlatform,
  type HintedArtifactDependencies,
} from './hinted-artifact.ts'

export interface HintCounts {
  /** Lists that clients handed over. */
  readonly lists: number
  /** Packages on them. */
  readonly packages: number
  /** Artifacts fetched ahead of the client. */
  readonly fetched: number
  /** Of these, how many it asked for afterwards. */
  readonly claimed: number
  /** Bytes of what was fetched ahead. */
  readonly bytes: number
  readonly failed: number
}

export interface Hints {
  /** Takes a list (of a bounded length) and waits for the client to show that it fetches; returns how many it took. */
  offer(hints: readonly Hint[]): number
  /** Runs the answer to a client's tarball request, which shows that the client is fetching. */
  trackRequest<T>(
    asked: { name: string; version: string | undefined },
    answer: () => Promise<T>,
  ): Promise<T>
  /** Where an artifact that is in the store because of a hint came from; answered once. */
  prefetchedFrom(digest: Digest): ArtifactSource | undefined
  readonly counts: HintCounts
  /** Aborts what is under way. */
  close(): void
}

export interface HintsDependencies extends HintedArtifactDependencies {
  readonly node: CatalogNode
  readonly artifacts: Artifacts
  readonly log: Logger
}

export interface HintsOptions {
  readonly enabled: boolean
  /** Packages taken of one list, at most. */
  readonly maxPackages: number
  /** Artifacts moving at once for the client and ahead of it, together, at most. */
  readonly concurrency: number
  /** How long tarballs must take to come, on average, for it to be worth it. */
  readonly waitMs: number
}

/** Artifacts fetched ahead and never asked for: forgotten when there are so many. */
const MAX_SOURCES = 4096
/** The average covers about the last so many tarballs. */
const PACE_WEIGHT = 4

export function createHints(
  deps: HintsDependencies,
  options: HintsOptions,
  nowMs: () => number = () => performance.now(),
): Hints {
  return new Prefetcher(deps, { ...options, nowMs })
}

class Prefetcher implements Hints {
  readonly counts = { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 }
  readonly #deps: HintsDependencies
  readonly #options: HintsOptions & { nowMs: () => number }
  readonly #lists = new HintLists()
  readonly #closing = new AbortController()
  readonly #sources = new Map<Digest, ArtifactSource>()
  /** Tarball requests under way: of clients, and ours. */
  #requested = 0
  #prefetching = 0
  /** How long a tarball takes that was not fetched ahead: a moving average. */
  #paceMs = 0

  constructor(deps: HintsDependencies, options: HintsOptions & { nowMs: () => number }) {
    this.#deps = deps
    this.#options = options
  }

  prefetchedFrom(digest: Digest): ArtifactSource | undefined {
    const source = this.#sources.get(digest)
    this.#sources.delete(digest)
    return source
  }

  offer(hints: readonly Hint[]): number {
    if (!this.#options.enabled || hints.length === 0) return 0
    const taken = hints.slice(0, this.#options.maxPackages)
    this.#lists.add(taken, this.#options.nowMs())
    this.counts.lists += 1
    this.counts.packages += taken.length
    return taken.length
  }

  async trackRequest<T>(
    asked: { name: string; version: string | undefined },
    answer: () => Promise<T>,
  ): Promise<T> {
    const startedMs = this.#options.nowMs()
    const { ahead, isListed } = this.#lists.claim(asked, startedMs)
    this.counts.claimed += ahead
    this.#requested += 1
    try {
      const answered = answer()
      this.#pump() // after the client's own request
      return await answered
    } finally {
      this.#requested -= 1
      if (isListed) this.#notePace(startedMs)
      this.#pump()
    }
  }

  close(): void {
    this.#lists.clear()
    this.#closing.abort(new Error('the gateway is stopping'))
  }

  /** Starts as many prefetches as may run now. */
  #pump(): void {
    const { waitMs, concurrency, nowMs } = this.#options
    if (this.#paceMs < waitMs) return
    while (!this.#closing.signal.aborted && this.#prefetching < concurrency - this.#requested) {
      const found = this.#lists.next(nowMs())
      if (found === undefined) return
      this.#prefetching += 1
      void this.#prefetch(found.list, found.hint).finally(() => {
        this.#prefetching -= 1
        this.#pump()
      })
    }
  }

  async #prefetch(list: HintList, hint: Hint): Promise<void> {
    const key = hintKey(hint)
    try {
      const isFetched = await this.#fetch(hint)
      list.done(key, isFetched ? 'fetched' : 'skipped')
      if (isFetched) this.counts.fetched += 1
    } catch (error) {
      list.done(key, 'failed')
      this.counts.failed += 1
      const reason = error instanceof Error ? error.message : String(error)
      this.#deps.log.debug('hint.failed', { name: hint.name, version: hint.version, reason })
    }
  }

  /** false: it is here already, or may not be fetched for nobody in particular. */
  async #fetch(hint: Hint): Promise<boolean> {
    const { node, artifacts } = this.#deps
    const { name, version } = hint
    if (isForOtherPlatform(name) || !artifacts.isKnownPublic(name)) return false
    const digest = await digestOfHint(this.#deps, hint)
    if (digest === undefined || node.has(digest)) return false
    const { signal } = this.#closing
    const request = { name, version, file: undefined, integrity: digest, client: undefined, signal }
    const startedMs = this.#options.nowMs()
    const { artifact } = await artifacts.get(request)
    if (artifact.bytes === undefined) {
      for await (const part of artifact.body) this.counts.bytes += part.byteLength
    } else {
      this.counts.bytes += artifact.bytes.byteLength
    }
    this.#notePace(startedMs)
    if (this.#sources.size >= MAX_SOURCES) this.#sources.clear()
    this.#sources.set(digest, artifact.source)
    return true
  }

  #notePace(startedMs: number): void {
    this.#paceMs += (this.#options.nowMs() - startedMs - this.#paceMs) / PACE_WEIGHT
  }
}
