/**
 * Packuments for whoever asks: from the cache while fresh, revalidated when not, old ones when upstream fails. A document
 * is parsed once for each form it is served in, in a worker; afterwards only bytes move.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { variantKey } from './client-policy.ts'
import type { PackumentForm } from './packument-document.ts'
import type { CachedDocument, PackumentKind } from './packument-cache.ts'
import {
  documentOwner,
  fetchPackument,
  unreadableKey,
  type PackumentFetchDependencies,
} from './packument-fetch.ts'
import { MAX_DEATHS, WorkerDied } from './packument-jobs.ts'
import { partOf } from './packument-part.ts'
import type { Registries } from '../upstream/registries.ts'
import { createSingleFlight } from '../single-flight.ts'
import { unreachable } from '../upstream/upstream.ts'
import { createUnreadable, mayHaveUnread, UnreadablePackument } from './unreadable.ts'

export interface PackumentRequest {
  readonly name: string
  readonly kind: PackumentKind
  /** What the client sent. */
  readonly client: Credentials | undefined
  /** The variant that will be asked for; saves a pass if it has to be made. */
  readonly form?: PackumentForm
  /** Ask upstream even if the document is young. */
  readonly revalidate?: boolean
  /** From the cache, however old, or not at all. */
  readonly upstream?: 'never' | undefined
  readonly signal: AbortSignal
}

export interface PackumentAnswer {
  readonly document: CachedDocument
  /** fresh: upstream was not asked; fetched: it was; stale: it should have been, but failed. */
  readonly state: 'fresh' | 'fetched' | 'stale'
}

export interface PackumentVariant {
  /** Gzipped JSON. */
  readonly body: Buffer
  /** Tells this form from all others of this and any document; without quotes. */
  readonly tag: string
  readonly kind: PackumentKind
}

export interface Packuments {
  /** @throws CatalogError UPSTREAM_UNREACHABLE, UPSTREAM_REJECTED; NOT_FOUND when there is no upstream */
  get(request: PackumentRequest): Promise<PackumentAnswer>
  /** The bytes to send; `undefined` when the cache lost them (the caller gets the document anew). */
  variant(
    request: PackumentRequest & { form: PackumentForm },
    document: CachedDocument,
  ): Promise<PackumentVariant | undefined>
  /** Who may see what: the fingerprints to look documents up by, and the credentials that go upstream. */
  viewer(name: string, client: Credentials | undefined): Viewer
  readonly counts: { fresh: number; fetched: number; stale: number }
}

export interface Viewer {
  readonly credentials: Credentials | undefined
  /** The first one's documents are what upstream would say; the others' are better than nothing. */
  readonly owners: readonly string[]
}

export interface PackumentsOptions {
  readonly maxAgeMs: number
  readonly maxBytes: number
}

/** When a document was checked last, if it is known to be old, and if upstream could not be asked since. */
const CHANGED = 0
const ASKED_IN_VAIN = 1
/** A fetch that nobody waits for any more ends by this. */
const MAX_FETCH_MS = 120_000
/** How long a client waits for upstream while an old document is at hand. */
const PATIENCE_MS = 3_000

export function createPackuments(
  deps: Omit<PackumentFetchDependencies, 'unreadable'> & { registries: Registries },
  options: PackumentsOptions,
): Packuments {
  const { cache, registries, upstream, jobs, log } = deps
  const fetches = createSingleFlight<CachedDocument>()
  const variants = createSingleFlight<Buffer | undefined>()
  const unreadable = createUnreadable()
  const counts = { fresh: 0, fetched: 0, stale: 0 }

  function viewer(name: string, client: Credentials | undefined): Viewer {
    const home = registries.homeOf(name)
    const credentials = client ?? registries.credentialsFor(new URL(name, home.url))
    const owner = documentOwner(home, name, credentials)
    return { credentials, owners: owner === '' ? [''] : [owner, ''] }
  }

  /** The best there is: of the kind asked for, else of the other. */
  async function cached(request: PackumentRequest, owners: readonly string[]) {
    // Peers only: there is no registry whose documents they would be, so any registry's will do.
    const registry = registries.forName(request.name)
    const documents = cache.findByName(registry?.url, request.name, owners)
    documents.sort((a, b) => Number(b.kind === request.kind) - Number(a.kind === request.kind))
    documents.sort((a, b) => owners.indexOf(a.owner) - owners.indexOf(b.owner))
    for (const document of documents) {
      const at = { document: document.id, hash: document.hash }
      if ((await cache.bodies.read({ ...at, part: 'raw' })) !== undefined) return document
    }
    return undefined
  }

  async function fetchOrStale(request: PackumentRequest, view: Viewer): Promise<PackumentAnswer> {
    const registry = registries.forName(request.name)
    const old = await cached(request, view.owners)
    if (registry === null || request.upstream === 'never') {
      if (old !== undefined) return { document: old, state: 'fresh' }
      const why = registry === null ? 'it has no upstream' : 'the request lets it ask no upstream'
      throw notKnown(request.name, why)
    }
    // Old copies from before a change are no answer, unless upstream has been asked and failed.
    const isChanged = old?.checkedAtMs === CHANGED
    if (old !== undefined && !isChanged && upstream.isDown(registry.origin)) {
      return { document: old, state: 'stale' }
    }
    const url = new URL(registry.url)
    // Who asks after a change does not join who asked before it.
    const epoch = cache.epochOf(request.name)
    const who = view.credentials?.fingerprint
    // What can't be read is fetched for those alone who may have it as it is.
    const isUnreadable = unreadable.has(unreadableKey({ ...request, registry }))
    const only = isUnreadable && mayHaveUnread(request.form?.policy, registry)
    const key = [registry.url, request.name, request.kind, who, epoch, only].join('\n')
    const work = (signal: AbortSignal): Promise<CachedDocument> =>
      fetchPackument({ ...deps, unreadable }, options, {
        ...{ registry, name: request.name, kind: request.kind, credentials: view.credentials },
        credentialsAt: (url) => registries.credentialsAt(registry, url, view.credentials),
        form: request.form,
        signal,
        // Who has an old copy need not wait for long.
        retries: old === undefined || isChanged ? undefined : 0,
      })
    try {
      const { signal } = request
      const document = await (old === undefined || isChanged
        ? fetches.run(key, work, signal)
        : patiently(fetches.run(key, work, AbortSignal.timeout(MAX_FETCH_MS)), { url, signal }))
      return { document, state: 'fetched' }
    } catch (error) {
      if (old === undefined || !isCatalogError(error, 'UPSTREAM_UNREACHABLE')) throw error
      log.warn('packument.stale', { name: request.name, reason: error.message })
      return { document: isChanged ? cache.touch(old, ASKED_IN_VAIN) : old, state: 'stale' }
    }
  }

  async function makeVariant(
    request: PackumentRequest & { form: PackumentForm },
    document: CachedDocument,
    made: { part: string; derived: boolean },
  ): Promise<Buffer | undefined> {
    const at = { document: document.id, hash: document.hash }
    const { form, name } = request
    const key = [at.document, at.hash, made.part].join('\n')
    if (unreadable.has(key)) throw new UnreadablePackument(name, {})
    const raw = await cache.bodies.read({ ...at, part: 'raw' })
    if (raw === undefined) return undefined
    const about = { registry: document.registry, isPrivate: document.owner !== '', name }
    const job = { body: raw, gzipped: true, maxBytes: options.maxBytes, ...about, form }
    const { variant } = await jobs
      .run({ ...job, abbreviate: made.derived, ingest: false })
      .catch((error: unknown) => {
        if (!(error instanceof WorkerDied)) throw error
        log.warn('packument.unreadable', { name, registry: document.registry, error })
        if (error.deaths >= MAX_DEATHS) unreadable.remember(key)
        throw new UnreadablePackument(name, { cause: error })
      })
    if (variant === undefined) return raw
    await cache.bodies.write({ ...at, part: made.part }, variant)
    return Buffer.from(variant.buffer, variant.byteOffset, variant.byteLength)
  }

  return {
    counts,
    viewer,
    async get(request) {
      const view = viewer(request.name, request.client)
      const registry = registries.forName(request.name)
      const young = request.revalidate !== true && registry !== null
      const fresh = young ? freshDocument(request, view, registry.url) : undefined
      const answer = fresh
        ? ({ document: fresh, state: 'fresh' } as const)
        : await fetchOrStale(request, view)
      counts[answer.state] += 1
      return answer
    },
    async variant(request, document) {
      const { form, kind } = request
      const { policy, base } = form
      const derived = kind === 'abbreviated' && document.kind === 'full'
      const at = { document: document.id, hash: document.hash }
      const untouched = policy === 'verbatim' || (policy === 'leave' && document.publicUrls)
      const asIs = !derived && untouched
      const part = asIs ? 'raw' : partOf(variantKey(policy, base), derived)
      const kept = await cache.bodies.read({ ...at, part })
      const inForm = (body: Buffer | undefined, what: { part: string; kind: PackumentKind }) =>
        body && { body, tag: `${document.hash}-${what.part}`, kind: what.kind }
      if (kept !== undefined || asIs)
        return inForm(kept, { part, kind: derived ? kind : document.kind })
      const make = (): Promise<Buffer | undefined> =>
        makeVariant(request, document, { part, derived })
      const key = [at.document, at.hash, part].join('\n')
      try {
        const made = await variants.run(key, make, request.signal)
        return inForm(made, { part, kind: derived ? kind : document.kind })
      } catch (error) {
        // It would only have been shorter.
        if (!(error instanceof UnreadablePackument) || !untouched) throw error
        const whole = await cache.bodies.read({ ...at, part: 'raw' })
        return inForm(whole, { part: 'raw', kind: document.kind })
      }
    },
  }

  function freshDocument(
    request: PackumentRequest,
    view: Viewer,
    registry: string,
  ): CachedDocument | undefined {
    const oldest = Date.now() - options.maxAgeMs
    const [owner = ''] = view.owners
    const found = cache.find({ registry, name: request.name, kind: request.kind, owner })
    return found !== undefined && found.checkedAtMs > oldest ? found : undefined
  }
}

function notKnown(name: string, why: string): CatalogError {
  return new CatalogError('NOT_FOUND', `${name}: not known to this node, and ${why}`, {
    hint: 'metadata that it has seen itself is all there is then',
  })
}

/**
 * Who has an old copy waits for a slow upstream only so long; the fetch goes on, for the next one who asks.
 * @throws CatalogError UPSTREAM_UNREACHABLE when patience ends
 */
async function patiently<T>(
  work: Promise<T>,
  { url, signal }: { url: URL; signal: AbortSignal },
): Promise<T> {
  work.catch(() => undefined) // it may fail when nobody waits any more
  const over = new AbortController()
  const patience = sleep(PATIENCE_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) })
  try {
    return await Promise.race([
      work,
      patience.then(
        () => Promise.reject(unreachable(url, new Error(`nothing for ${PATIENCE_MS} ms`))),
        () => Promise.reject(signal.reason),
      ),
    ])
  } finally {
    over.abort()
  }
}
