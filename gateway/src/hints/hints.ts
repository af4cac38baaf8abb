/**
 * Fetches ahead of a client what it said, by an audit or a lockfile, that its project holds. Runs only while the client
 * itself asks for tarballs, only in the room that its own requests leave, and never on a request's path: a client that asks
 * for what is on its way joins that download. A hint that fails is forgotten; the client's own request will say why.
 */
import type { ArtifactSource, CatalogNode, Digest, Logger } from '@catalog-p2p/core'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { hintKey, type Hint } from './hint.ts'
import { HintList } from './hint-list.ts'
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
  readonly offer: (hints: readonly Hint[]) => number
  /** The same for a guess, one at a time. */
  predict(hint: Hint): void
  /** Runs the answer to a client's tarball request, which tells that the client is at it. */
  during<T>(
    asked: { name: string; version: string | undefined },
    answer: () => Promise<T>,
  ): Promise<T>
  /** Where an artifact that is in the store because of a hint came from; told once. */
  takeSource(digest: Digest): ArtifactSource | undefined
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

/** One a client at work; who comes fifth drops the list that has been quiet for longest. */
const MAX_LISTS = 4
/** Fetched ahead and never asked for: forgotten when there are so many. */
const MAX_SOURCES = 4096
/** Of the last so many tarballs, about. */
const PACE_WEIGHT = 4
/** Guesses that no tarball followed for so long were about another project. */
const GUESSES_MS = 120_000

export function createHints(
  deps: HintsDependencies,
  options: HintsOptions,
  nowMs: () => number = () => performance.now(),
): Hints {
  const { node, artifacts, log } = deps
  const counts = { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 }
  const closing = new AbortController()
  const sources = new Map<Digest, ArtifactSource>()
  let lists: HintList[] = []
  let guesses: HintList | undefined
  /** The client's own tarball requests, and ours. */
  let asking = 0
  let running = 0
  /** How long a tarball takes that was not fetched ahead: a moving average. */
  let paceMs = 0

  function pump(): void {
    if (paceMs < options.waitMs) return
    while (!closing.signal.aborted && running < options.concurrency - asking) {
      const found = nextHint()
      if (found === undefined) return
      running += 1
      void fetchAhead(found.list, found.hint).finally(() => {
        running -= 1
        pump()
      })
    }
  }

  function pace(ms: number): void {
    paceMs += (ms - paceMs) / PACE_WEIGHT
  }

  const all = (): readonly HintList[] => (guesses === undefined ? lists : [...lists, guesses])

  function nextHint(): { list: HintList; hint: Hint } | undefined {
    const now = nowMs()
    for (const list of all()) {
      const hint = list.next(now)
      if (hint !== undefined) return { list, hint }
    }
    return undefined
  }

  async function fetchAhead(list: HintList, hint: Hint): Promise<void> {
    const key = hintKey(hint)
    try {
      const fetched = await fetchOne(hint)
      list.done(key, fetched ? 'fetched' : 'skipped')
      if (fetched) counts.fetched += 1
    } catch (error) {
      list.done(key, 'failed')
      counts.failed += 1
      const reason = error instanceof Error ? error.message : String(error)
      log.debug('hint.failed', { name: hint.name, version: hint.version, reason })
    }
  }

  async function fetchOne(hint: Hint): Promise<boolean> {
    const { name, version } = hint
    if (isForOtherPlatform(name) || !artifacts.isKnownPublic(name)) return false
    const digest = await digestOfHint(deps, hint)
    if (digest === undefined || node.has(digest)) return false
    const { signal } = closing
    const request = { name, version, file: undefined, integrity: digest, client: undefined, signal }
    const startedMs = nowMs()
    const { artifact } = await artifacts.get(request)
    if (artifact.bytes === undefined) {
      for await (const part of artifact.body) counts.bytes += part.byteLength
    } else {
      counts.bytes += artifact.bytes.byteLength
    }
    pace(nowMs() - startedMs)
    if (sources.size >= MAX_SOURCES) sources.clear()
    sources.set(digest, artifact.source)
    return true
  }

  return {
    counts,
    takeSource(digest) {
      const source = sources.get(digest)
      sources.delete(digest)
      return source
    },
    offer(hints) {
      if (!options.enabled || hints.length === 0) return 0
      const taken = hints.slice(0, options.maxPackages)
      lists.sort((a, b) => b.touchedMs - a.touchedMs)
      lists = [new HintList(taken, nowMs()), ...lists.slice(0, MAX_LISTS - 1)]
      counts.lists += 1
      counts.packages += taken.length
      return taken.length
    },
    predict(hint) {
      if (!options.enabled) return
      const now = nowMs()
      if (guesses === undefined || now - guesses.touchedMs > GUESSES_MS) {
        guesses = new HintList([], now)
        counts.lists += 1
      }
      if (guesses.add(hint, options.maxPackages)) counts.packages += 1
      pump()
    },
    async during({ name, version }, answer) {
      const key = version === undefined ? undefined : hintKey({ name, version })
      const startedMs = nowMs()
      let wasListed = false
      for (const list of key === undefined ? [] : all()) {
        const claim = list.claim(key ?? '', startedMs)
        if (claim === 'ahead') counts.claimed += 1
        if (claim === 'listed') wasListed = true
      }
      asking += 1
      try {
        const answered = answer()
        pump() // after the client's own request
        return await answered
      } finally {
        asking -= 1
        if (wasListed) pace(nowMs() - startedMs)
        pump()
      }
    },
    close() {
      lists = []
      guesses = undefined
      closing.abort(new Error('the gateway is stopping'))
    },
  }
}
