/**
 * Tarballs asked for where registries have them by default, while the registry is still being asked which bytes they are: one
 * round trip in place of two. The answer waits unread, bounded by the buffers of its connection, until a download takes it or
 * nobody wants it any more. Only without credentials, and never beside a peer that may have the bytes. Never decides which bytes
 * are right: what is taken is verified as any other answer.
 */
import { tarballFile } from '../packuments/client-policy.ts'
import type { Viewer } from '../packuments/packument-service.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import type { Upstream, UpstreamResponse } from '../upstream/upstream.ts'
import { tarballCredentials, tarballHeaders, type OpenedTarball } from './tarball-origin.ts'

export interface EarlyTarballsDependencies {
  readonly node: { peers(): readonly { artifacts: number; names: number }[] }
  readonly registries: Registries
  readonly upstream: Upstream
}

export interface EarlyTarballsOptions {
  /** Answers that wait at once; each holds a connection, and the answers that they wait for need some too. */
  readonly maxOpen: number
}

export interface EarlyQuestion {
  readonly name: string
  readonly version: string | undefined
  readonly viewer: Viewer
}

/** Misses that any registry may have, and one more for so many hits. */
const FREE_MISSES = 4
const HITS_PER_MISS = 50

/** How often a registry has had its tarballs where they are by default. */
interface Guesses {
  hits: number
  misses: number
  open: number
}

export class EarlyTarballs {
  readonly #deps: EarlyTarballsDependencies
  readonly #options: EarlyTarballsOptions
  /** By URL. */
  readonly #open = new Map<string, EarlyTarball>()
  /** By the registry's URL: as many as are configured. */
  readonly #guesses = new Map<string, Guesses>()

  constructor(deps: EarlyTarballsDependencies, options: EarlyTarballsOptions) {
    this.#deps = deps
    this.#options = options
  }

  /**
   * Asks for it, or joins a request that is under way; undefined: it is better asked for when its place is known.
   * The caller releases it once.
   */
  open({ name, version, viewer }: EarlyQuestion): EarlyTarball | undefined {
    const { registries, upstream } = this.#deps
    const registry = registries.forName(name)
    const url = registry && usualPlace(registry, { name, version, viewer })
    if (registry === null || !url) return undefined
    const credentialsFor = tarballCredentials(registries, registry, undefined)
    const isOpenly = credentialsFor(url) === undefined && !registries.isCertified(registry)
    if (!isOpenly || upstream.isDown(registry.origin) || this.#mayPeersHaveIt()) return
    const running = this.#open.get(url.href)
    if (running !== undefined) return running.join()
    const guesses = this.#guessesOf(registry)
    if (this.#open.size >= this.#options.maxOpen || !isWorthIt(guesses)) return
    const headers = tarballHeaders()
    const tarball = new EarlyTarball(url, {
      ask: (signal) => upstream.request({ url, headers, credentialsFor, signal }),
      guesses,
      onOver: () => this.#open.delete(url.href),
    })
    this.#open.set(url.href, tarball)
    return tarball.join()
  }

  /** Joins a request that is under way, if there is one: its bytes are on their way already. The caller releases it once. */
  join(question: EarlyQuestion): EarlyTarball | undefined {
    if (this.#open.size === 0) return undefined
    const registry = this.#deps.registries.forName(question.name)
    const url = registry && usualPlace(registry, question)
    return url ? this.#open.get(url.href)?.join() : undefined
  }

  /** No peer has told this version by its name; one that tells none may have its bytes all the same. */
  #mayPeersHaveIt(): boolean {
    return this.#deps.node.peers().some(({ artifacts, names }) => artifacts > 0 && names === 0)
  }

  #guessesOf({ url }: Registry): Guesses {
    const known = this.#guesses.get(url) ?? { hits: 0, misses: 0, open: 0 }
    this.#guesses.set(url, known)
    return known
  }
}

/** Where registries have it by default; undefined for what is not asked for early. */
function usualPlace(registry: Registry, { name, version, viewer }: EarlyQuestion): URL | undefined {
  if (version === undefined || viewer.credentials !== undefined) return undefined
  return new URL(`${registry.url}${name}/-/${encodeURIComponent(tarballFile(name, version))}`)
}

/** While nothing is known of the registry, what is open may all be misses. */
function isWorthIt({ hits, misses, open }: Guesses): boolean {
  const risked = misses + (hits === 0 ? open : 0)
  return risked < FREE_MISSES + hits / HITS_PER_MISS
}

/** One of them. Whoever joins it releases it; it ends with the last one unless a download has taken it. */
export class EarlyTarball implements OpenedTarball {
  readonly #url: URL
  readonly #guesses: Guesses
  readonly #onOver: () => void
  readonly #cancel = new AbortController()
  readonly #response: Promise<UpstreamResponse>
  #users = 0
  #isOver = false
  #isPlaceKnown = false

  constructor(
    url: URL,
    how: {
      ask: (signal: AbortSignal) => Promise<UpstreamResponse>
      guesses: Guesses
      onOver: () => void
    },
  ) {
    this.#url = url
    this.#guesses = how.guesses
    this.#onOver = how.onOver
    how.guesses.open += 1
    this.#response = how.ask(this.#cancel.signal)
    this.#response.catch(() => undefined) // whoever takes it sees it
  }

  join(): this {
    this.#users += 1
    return this
  }

  release(): void {
    this.#users -= 1
    if (this.#users > 0 || this.#isOver) return
    this.#end()
    this.#cancel.abort(new Error('nobody wants it'))
  }

  /** Where the registry says that its tarball is. */
  placed(url: URL): void {
    if (this.#isPlaceKnown) return
    this.#isPlaceKnown = true
    if (url.href === this.#url.href) this.#guesses.hits += 1
    else this.#guesses.misses += 1
  }

  take(url: URL, signal: AbortSignal): Promise<UpstreamResponse> | undefined {
    if (this.#isOver || url.href !== this.#url.href) return undefined
    this.#end()
    const stop = (): void => this.#cancel.abort(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    return this.#response
  }

  #end(): void {
    this.#isOver = true
    this.#guesses.open -= 1
    this.#onOver()
  }
}
