/**
 * Looks for providers beyond the swarm: asks the DHT, connects to the peers that it names, and hands out those that answer.
 * One search per digest, however many callers; a search without a result is not repeated for a while.
 * docs/protocol.md, section DHT
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../timing/clock.ts'
import { digestToBytes, type Digest } from '../../content/digest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Host, PeerId, Provider, ContentRouting } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import { withDeadline } from '../../timing/deadline.ts'

const SEARCH_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5000
const MAX_PROVIDERS = 20
const MAX_CONNECTING = 5
const MAX_ADDRESSES = 8
const NEGATIVE_TTL_MS = 30_000
const MAX_MISSES = 10_000
const MAX_SEARCHES = 64

interface Search {
  readonly found: PeerId[]
  readonly cancel: AbortController
  waiters: number
  isDone: boolean
  /** Resolves at the next change. */
  changed: PromiseWithResolvers<void>
}

export class ProviderSearch {
  readonly #deps: {
    readonly host: Host
    readonly routing: ContentRouting
    readonly clock: Clock
    readonly log: Logger
  }
  readonly #searches = new Map<Digest, Search>()
  readonly #tasks = new Set<Promise<void>>()
  /** Digest to when it was searched in vain. */
  readonly #misses = new LRUCache<Digest, number>({ maxSize: MAX_MISSES, sizeCalculation: () => 1 })
  #isStopped = false

  constructor(deps: { host: Host; routing: ContentRouting; clock: Clock; log: Logger }) {
    this.#deps = deps
  }

  start(): void {
    this.#isStopped = false
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const search of this.#searches.values()) search.cancel.abort(stopped())
    await Promise.all(this.#tasks)
    this.#misses.clear()
  }

  /** Peers connected to, as they are found. Ends early by `signal`, which it throws. */
  async *search(digest: Digest, options: { signal: AbortSignal }): AsyncGenerator<PeerId> {
    const { signal } = options
    signal.throwIfAborted()
    const search = this.#join(digest)
    if (search === undefined) return
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for (let next = 0; ;) {
        signal.throwIfAborted()
        const peer = search.found[next]
        if (peer !== undefined) {
          next += 1
          yield peer
        } else if (search.isDone) {
          return
        } else {
          await Promise.race([search.changed.promise, aborted.promise])
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      search.waiters -= 1
      if (search.waiters === 0) search.cancel.abort(new CatalogError('NOT_FOUND', 'nobody asks'))
    }
  }

  #join(digest: Digest): Search | undefined {
    const searchedAtMs = this.#misses.get(digest)
    const isKnown = searchedAtMs !== undefined && this.#now() - searchedAtMs < NEGATIVE_TTL_MS
    if (isKnown || this.#isStopped) return undefined
    const running = this.#searches.get(digest)
    if (running !== undefined && !running.cancel.signal.aborted) {
      running.waiters += 1
      return running
    }
    if (this.#searches.size >= MAX_SEARCHES) return undefined
    const search: Search = {
      found: [],
      cancel: new AbortController(),
      waiters: 1,
      isDone: false,
      changed: Promise.withResolvers(),
    }
    this.#searches.set(digest, search)
    const task = this.#run(digest, search).finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
    return search
  }

  async #run(digest: Digest, search: Search): Promise<void> {
    const { clock, log } = this.#deps
    const { signal } = search.cancel
    try {
      const limits = { clock, timeoutMs: SEARCH_TIMEOUT_MS, signal }
      await withDeadline(limits, (limit) => this.#findAndConnect(digest, search, limit))
      this.#remember(digest, search)
    } catch (error) {
      if (isCatalogError(error, 'PEER_TIMEOUT')) this.#remember(digest, search)
      if (!signal.aborted) log.debug('search.failed', { digest, error })
    }
    if (this.#searches.get(digest) === search) this.#searches.delete(digest)
    search.isDone = true
    search.changed.resolve()
  }

  #remember(digest: Digest, search: Search): void {
    // With nobody connected the DHT was not asked at all.
    const wasAsked = this.#deps.host.peers().length > 0
    if (wasAsked && search.found.length === 0) this.#misses.set(digest, this.#now())
  }

  async #findAndConnect(digest: Digest, search: Search, signal: AbortSignal): Promise<void> {
    const { host, routing } = this.#deps
    const seen = new Set<PeerId>([host.id])
    const connecting = new Set<Promise<void>>()
    for await (const provider of routing.findProviders(digestToBytes(digest), { signal })) {
      if (seen.has(provider.peer)) continue
      seen.add(provider.peer)
      const task = this.#connect(provider, search, signal).finally(() => connecting.delete(task))
      connecting.add(task)
      if (connecting.size >= MAX_CONNECTING) await Promise.race(connecting)
      if (seen.size > MAX_PROVIDERS || signal.aborted) break
    }
    await Promise.all(connecting)
  }

  /** Never rejects. */
  async #connect(provider: Provider, search: Search, signal: AbortSignal): Promise<void> {
    const { host, clock, log } = this.#deps
    const { peer } = provider
    try {
      if (!host.isConnected(peer)) {
        const addresses = provider.addresses.slice(0, MAX_ADDRESSES)
        await host.learnAddresses(peer, addresses, provider.source)
        const limits = { clock, timeoutMs: CONNECT_TIMEOUT_MS, signal }
        await withDeadline(limits, (limit) => host.connect(peer, { signal: limit }))
      }
    } catch (error) {
      log.debug('search.connect.failed', { peer, error })
      return
    }
    search.found.push(peer)
    search.changed.resolve()
    search.changed = Promise.withResolvers()
  }

  #now(): number {
    return this.#deps.clock.now()
  }
}

function stopped(): CatalogError {
  return new CatalogError('NODE_STOPPED', 'discovery has stopped')
}
