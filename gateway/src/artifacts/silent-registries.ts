/**
 * Registries from which nothing came for a while: they count as out of reach, so that not every artifact waits for them anew.
 * One that is slow, or has asked to be left alone, is not silent.
 */
import type { Registry } from '../upstream/registries.ts'
import { unreachable, type Upstream } from '../upstream/upstream.ts'

/** Milliseconds until it is asked again. */
const PAUSE_MS = 30_000

export class SilentRegistries {
  readonly #upstream: Pick<Upstream, 'isSilent'>
  /** By URL, of `performance.now()`. As many as are configured. */
  readonly #since = new Map<string, number>()

  constructor(upstream: Pick<Upstream, 'isSilent'>) {
    this.#upstream = upstream
  }

  /** @throws CatalogError UPSTREAM_UNREACHABLE while the registry counts as silent */
  assertHeard(registry: Registry): void {
    if (performance.now() - (this.#since.get(registry.url) ?? -Infinity) >= PAUSE_MS) return
    throw unreachable(new URL(registry.url), new Error('nothing came from it a moment ago'))
  }

  /** To be called where it was asked at `askedMs` and has not answered. */
  noteNoAnswer(registry: Registry, askedMs: number): void {
    if (!this.#upstream.isSilent(registry.origin, askedMs)) return
    this.#since.set(registry.url, performance.now())
  }
}
