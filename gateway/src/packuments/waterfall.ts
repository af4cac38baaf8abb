/**
 * Metadata ahead of a client that resolves an install: when it has been given a package's document, those of the packages that
 * its latest version depends on are fetched, because it is about to ask for them. npm does so in many small steps, and each
 * costs a round trip. What came ahead leads on, but only while a client goes on asking, so that little is in vain
 * (docs/decisions/0015). Never on a request's path, only where no credentials are shown, and only within one registry.
 */
import { LRUCache } from 'lru-cache'
import type { Registries } from '../upstream/registries.ts'
import type { PackumentRequest, Viewer } from './packument-request.ts'

export interface WaterfallDependencies {
  readonly registries: Pick<Registries, 'forName' | 'isHome'>
  readonly viewer: (name: string, client: undefined) => Viewer
  /** As for a client. Its failures are nobody's concern: the client's own request sees them. */
  readonly fetch: (request: PackumentRequest) => Promise<unknown>
  /** Milliseconds. */
  readonly now: () => number
}

export interface Waterfall {
  /** A document has come from the registry: what its latest version depends on. */
  arrived(registry: string, name: string, dependencies: readonly string[]): void
  /** Answers a client, and fetches ahead of it. Throws what `answer` throws. */
  follow<T>(request: PackumentRequest, answer: () => Promise<T>): Promise<T>
}

/** What waits for its turn; more than that is left to the client. */
const MAX_WAITING = 1_000
/** Documents whose dependencies are remembered, and names that are not fetched ahead once more, for as long as an install takes. */
const REMEMBERED = { maxSize: 10_000, sizeCalculation: () => 1, ttl: 60_000 }
const MAX_FETCH_MS = 60_000
/** A client that has asked for nothing this long has what it wants. */
const PAUSE_MS = 1_000

export function createWaterfall(
  deps: WaterfallDependencies,
  {
    metadataAhead,
    upstreamSockets,
  }: { readonly metadataAhead: boolean; readonly upstreamSockets: number },
): Waterfall {
  if (metadataAhead) return new DependencyWaterfall(deps, { maxOpen: upstreamSockets })
  return { arrived: () => undefined, follow: (_request, answer) => answer() }
}

class DependencyWaterfall implements Waterfall {
  readonly #deps: WaterfallDependencies
  /** Documents on their way to clients that resolve, and ahead of them, together. */
  readonly #maxOpen: number
  readonly #dependencies = new LRUCache<string, readonly string[]>(REMEMBERED)
  readonly #begun = new LRUCache<string, true>(REMEMBERED)
  readonly #waiting: PackumentRequest[] = []
  #open = 0
  #askedMs = 0

  constructor(deps: WaterfallDependencies, { maxOpen }: { readonly maxOpen: number }) {
    this.#deps = deps
    this.#maxOpen = maxOpen
  }

  arrived(registry: string, name: string, dependencies: readonly string[]): void {
    this.#dependencies.set(`${registry} ${name}`, dependencies)
  }

  async follow<T>(request: PackumentRequest, answer: () => Promise<T>): Promise<T> {
    if (!isResolving(request)) return await answer()
    this.#begun.set(request.name, true)
    this.#askedMs = this.#deps.now()
    this.#open += 1
    try {
      const answered = await answer()
      this.#lead(request)
      return answered
    } finally {
      this.#open -= 1
      this.#pump()
    }
  }

  #lead(request: PackumentRequest): void {
    if (this.#dependencies.size === 0) return
    const { registries, viewer } = this.#deps
    const registry = registries.forName(request.name)
    if (registry === null) return
    const key = `${registry.url} ${request.name}`
    const names = this.#dependencies.get(key) ?? []
    this.#dependencies.delete(key)
    for (const name of names) {
      if (this.#waiting.length >= MAX_WAITING) return
      if (this.#begun.has(name) || !registries.isHome(registry, name)) continue
      if (viewer(name, undefined).credentials !== undefined) continue
      this.#begun.set(name, true)
      this.#waiting.push({ ...request, name })
    }
  }

  #pump(): void {
    if (this.#deps.now() - this.#askedMs > PAUSE_MS) this.#waiting.length = 0
    while (this.#open < this.#maxOpen) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#open += 1
      const signal = AbortSignal.timeout(MAX_FETCH_MS)
      void this.#deps
        .fetch({ ...next, signal })
        .then(() => this.#lead(next))
        .catch(() => undefined) // the client's own request says why
        .finally(() => {
          this.#open -= 1
          this.#pump()
        })
    }
  }
}

/** A client's plain request: no question of our own, nothing that is somebody's own, nothing that asks the registry anew. */
function isResolving({ form, wanted, client, upstream, revalidate }: PackumentRequest): boolean {
  const isPlain = wanted === undefined && upstream === undefined && revalidate !== true
  return form !== undefined && client === undefined && isPlain
}
