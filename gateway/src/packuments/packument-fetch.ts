/**
 * One conditional request for a packument, and what came of it in the cache. Asks without credentials first: what anyone
 * may see is public, whoever asks. Only what needs credentials becomes their owner's private document.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { variantKey } from './client-policy.ts'
import type { PackumentForm } from './packument-document.ts'
import type { CachedDocument, PackumentCache, PackumentKind } from './packument-cache.ts'
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from './packument-jobs.ts'
import { partOf } from './packument-part.ts'
import { mayHaveUnread, UnreadablePackument, type Unreadable } from './unreadable.ts'
import type { Registry } from '../upstream/registries.ts'
import { refusalOf } from '../upstream/refusal.ts'
import {
  discard,
  readBody,
  unreachable,
  type Upstream,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

export interface FetchRequest {
  readonly registry: Registry
  readonly name: string
  readonly kind: PackumentKind
  /** Used only when the document is not there for anyone, and only under the registry's own URL. */
  readonly credentials: Credentials | undefined
  readonly mayCarry: (url: URL) => boolean
  /** The variant that will be asked for next, made in the same pass. */
  readonly form: PackumentForm | undefined
  readonly retries: number | undefined
  readonly signal: AbortSignal
}

export interface PackumentFetchDependencies {
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly unreadable: Unreadable
  readonly log: Logger
}

const ACCEPT: Record<PackumentKind, string> = {
  full: 'application/json',
  abbreviated: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
}
/** Of one document whose worker dies, be it its fault or not. */
const MAX_TRIES = 4
/** What a registry says when it wants to know who asks; 404 too, as it does not tell what exists. */
export const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404])

/** @throws CatalogError UPSTREAM_UNREACHABLE (also for 5xx answers and broken documents), UPSTREAM_REJECTED with `status` */
export async function fetchPackument(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: FetchRequest,
): Promise<CachedDocument> {
  const { cache } = deps
  const { registry, name, kind, credentials } = request
  const key = { registry: registry.url, name, kind }
  const open = cache.find({ ...key, owner: '' })
  const owned = credentials && cache.find({ ...key, owner: credentials.fingerprint })
  // Known to need credentials: no use in asking without.
  if (owned !== undefined && open === undefined) {
    return attempt(deps, options, { ...request, cached: owned, withCredentials: true })
  }
  const first = { ...request, cached: open, withCredentials: false }
  if (credentials === undefined) return attempt(deps, options, first)
  try {
    return await attempt(deps, options, first)
  } catch (error) {
    if (!isRefusal(error)) throw error
    const again = { ...request, cached: owned, withCredentials: true }
    const document = await attempt(deps, options, again)
    if (open !== undefined) cache.remove(open) // it was public once, and is not any more
    return document
  }
}

interface Attempt extends FetchRequest {
  readonly cached: CachedDocument | undefined
  readonly withCredentials: boolean
}

/** What names a document that can't be read, whoever asks for it. */
export function unreadableKey(request: Pick<FetchRequest, 'name' | 'kind' | 'registry'>): string {
  return [request.registry.url, request.name, request.kind].join('\n')
}

async function attempt(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: Attempt,
): Promise<CachedDocument> {
  const { name, kind } = request
  const key = unreadableKey(request)
  const isUnreadable = deps.unreadable.has(key)
  // Nobody could do anything with it.
  if (isUnreadable && !mayHaveUnread(request.form?.policy, request.registry))
    throw new UnreadablePackument(name, {})
  let deaths = 0
  for (let tries = 1; ; tries += 1) {
    const received = await receive(deps, options, request)
    if (!('body' in received)) return received
    const { body, response } = received
    const document = { body, kind, gzipped: isGzipped(response) }
    if (isUnreadable) throw new UnreadablePackument(name, { document })
    try {
      return await ingest(deps, options, { ...received, deaths })
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error
      deaths = error.deaths
      // Its body has gone with the worker: once more from upstream.
      if (deaths < MAX_DEATHS && tries < MAX_TRIES) continue
      deps.log.warn('packument.unreadable', { name, registry: request.registry.url, error })
      if (deaths >= MAX_DEATHS) deps.unreadable.remember(key)
      // Moved to the worker that died, it has no bytes any more.
      const isHere = body.byteLength > 0
      throw new UnreadablePackument(name, { cause: error, ...(isHere && { document }) })
    }
  }
}

async function receive(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: Attempt,
): Promise<CachedDocument | Received> {
  const { registry, name, kind, signal } = request
  const url = new URL(registry.url + name.replace('/', '%2f'))
  const epoch = deps.cache.epochOf(name)
  const cached = await withBody(deps.cache, request.cached)
  const credentials = request.withCredentials ? request.credentials : undefined
  const response = await deps.upstream.request({
    url,
    headers: { accept: ACCEPT[kind], 'accept-encoding': 'gzip', ...validators(cached) },
    credentialsFor: (hop) => (request.mayCarry(hop) ? credentials : undefined),
    ...(request.retries !== undefined && { retries: request.retries }),
    signal,
  })
  const limits = { maxBytes: options.maxBytes, signal, counts: deps.upstream.counts }
  if (response.status === 304 && cached !== undefined) {
    discard(response)
    return deps.cache.touch(cached, checkedAt(deps.cache, name, epoch))
  }
  if (response.status !== 200) throw await refusalOf(response, { about: name, signal })
  const body = await readBody(response, limits)
  const owner = credentials?.fingerprint ?? ''
  return { request, response, body, owner, epoch }
}

function isGzipped({ headers }: UpstreamResponse): boolean {
  return headers['content-encoding'] === 'gzip'
}

interface Received {
  readonly request: Attempt
  readonly response: UpstreamResponse
  readonly body: Buffer
  readonly owner: string
  /** Of the cache, when upstream was asked. */
  readonly epoch: number
}

/** Now; long ago for what was asked for before the package was changed through this gateway. */
function checkedAt(cache: PackumentCache, name: string, epoch: number): number {
  return cache.epochOf(name) === epoch ? Date.now() : 0
}

async function ingest(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  { request, response, body, owner, epoch, deaths }: Received & { readonly deaths: number },
): Promise<CachedDocument> {
  const { registry, name, kind, form } = request
  const { etag, 'last-modified': lastModified } = response.headers
  const gzipped = isGzipped(response)
  const about = { registry: registry.url, isPrivate: owner !== '', name }
  const job = { body, gzipped, maxBytes: options.maxBytes, ...about, form }
  const result = await deps.jobs
    .run({ ...job, abbreviate: false, ingest: true }, deaths)
    .catch((error: unknown) => {
      if (error instanceof WorkerDied) throw error
      deps.log.warn('packument.broken', { name, error })
      throw unreachable(response.url, error)
    })
  const { ingested, variant } = result
  if (ingested === undefined) throw new Error('the packument worker did not ingest')
  const { raw } = ingested
  const bytes = raw.byteLength + ingested.versions.byteLength
  const document = deps.cache.save(
    {
      ...{ registry: registry.url, name, kind, owner, hash: ingested.hash },
      ...{ etag, lastModified, publicUrls: ingested.publicUrls },
      checkedAtMs: checkedAt(deps.cache, name, epoch),
    },
    bytes,
  )
  const { bodies } = deps.cache
  const at = { document: document.id, hash: document.hash }
  await bodies.write({ ...at, part: 'raw' }, raw)
  await bodies.write({ ...at, part: 'versions' }, ingested.versions)
  if (variant !== undefined && form !== undefined) {
    const part = partOf(variantKey(form.policy, form.base), false)
    await deps.cache.saveForm(document, { part, gzipped: variant, isKept: form.isKept })
  }
  if (request.cached !== undefined && request.cached.hash !== document.hash) {
    bodies.clear(document.id, document.hash)
  }
  return document
}

// Without both of its files, as after a kill between the two, a 304 would be of no use.
async function withBody(
  cache: PackumentCache,
  document: CachedDocument | undefined,
): Promise<CachedDocument | undefined> {
  if (document === undefined) return undefined
  const at = { document: document.id, hash: document.hash }
  const parts = await Promise.all(
    ['raw', 'versions'].map((part) => cache.bodies.read({ ...at, part })),
  )
  return parts.includes(undefined) ? undefined : document
}

function validators(cached: CachedDocument | undefined): Record<string, string> {
  if (cached?.etag !== undefined) return { 'if-none-match': cached.etag }
  if (cached?.lastModified !== undefined) return { 'if-modified-since': cached.lastModified }
  return {}
}

function isRefusal(error: unknown): boolean {
  const { details } = error as { details?: { status?: unknown } }
  return typeof details?.status === 'number' && REFUSALS.has(details.status)
}
