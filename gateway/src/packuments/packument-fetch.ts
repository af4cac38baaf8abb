/**
 * One conditional request for a packument, and what came of it in the cache. Who has credentials shows them at once: what a
 * registry tells strangers may be a sign-in page, a shorter list, or another registry's package of that name. The document is
 * then its owner's alone, unless its package is for everybody whatever it is asked with.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { variantKey } from './client-policy.ts'
import type { PackumentForm } from './packument-document.ts'
import type { CachedDocument, PackumentCache, PackumentKind } from './packument-cache.ts'
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from './packument-jobs.ts'
import { partOf } from './packument-part.ts'
import { mayHaveUnread, UnreadablePackument, type Unreadable } from './unreadable.ts'
import { scopeOf } from '../http/route.ts'
import type { Registry } from '../upstream/registries.ts'
import {
  discard,
  readBody,
  rejected,
  unreachable,
  type Upstream,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

export interface FetchRequest {
  readonly registry: Registry
  readonly name: string
  readonly kind: PackumentKind
  readonly credentials: Credentials | undefined
  /** What of them goes to which URL. */
  readonly credentialsAt: (url: URL) => Credentials | undefined
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
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404])

/** @throws CatalogError UPSTREAM_UNREACHABLE (also for 5xx answers and broken documents), UPSTREAM_REJECTED with `status` */
export async function fetchPackument(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: FetchRequest,
): Promise<CachedDocument> {
  const { cache } = deps
  const { registry, name, kind } = request
  const owner = documentOwner(registry, name, request.credentials)
  const cached = cache.find({ registry: registry.url, name, kind, owner })
  try {
    return await attempt(deps, options, { ...request, cached, owner })
  } catch (error) {
    // It was for everybody once, and is not any more.
    if (owner === '' && cached !== undefined && isRefusal(error)) cache.remove(cached)
    throw error
  }
}

/** Whose a document is that was fetched with these credentials: a fingerprint; empty: everybody's. */
export function documentOwner(
  registry: Registry,
  name: string,
  credentials: Credentials | undefined,
): string {
  if (registry.isPublic && scopeOf(name) === undefined) return ''
  return credentials?.fingerprint ?? ''
}

interface Attempt extends FetchRequest {
  readonly cached: CachedDocument | undefined
  readonly owner: string
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
  const response = await deps.upstream.request({
    url,
    headers: { accept: ACCEPT[kind], 'accept-encoding': 'gzip', ...validators(cached) },
    credentialsFor: request.credentialsAt,
    ...(request.retries !== undefined && { retries: request.retries }),
    signal,
  })
  const limits = { maxBytes: options.maxBytes, signal, counts: deps.upstream.counts }
  if (response.status === 304 && cached !== undefined) {
    discard(response)
    return deps.cache.touch(cached, checkedAt(deps.cache, name, epoch))
  }
  if (response.status !== 200) throw await refusal(response, name, limits)
  const body = await readBody(response, limits)
  return { request, response, body, owner: request.owner, epoch }
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
  // Elsewhere everything without a scope is public.
  const withSignatures = !registry.isPublic && scopeOf(name) === undefined
  const about = { registry: registry.url, isPrivate: owner !== '', withSignatures, name }
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
  const bytes = raw.byteLength + ingested.versions.byteLength + (variant?.byteLength ?? 0)
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
    await bodies.write({ ...at, part }, variant)
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

const MAX_ERROR_BYTES = 64 * 1024

async function refusal(
  response: UpstreamResponse,
  name: string,
  limits: { signal: AbortSignal },
): Promise<Error> {
  const { status, url } = response
  if (status >= 500 || status === 429) {
    discard(response)
    return unreachable(url, new Error(`it answered ${status}`))
  }
  const body = await readBody(response, { maxBytes: MAX_ERROR_BYTES, signal: limits.signal }).catch(
    () => Buffer.alloc(0), // the status says enough
  )
  return rejected(url, `${name}: upstream answered ${status}`, { status, text: errorText(body) })
}

function errorText(body: Buffer): string | undefined {
  try {
    const parsed = JSON.parse(body.toString('utf8')) as { error?: unknown; message?: unknown }
    const text = parsed.error ?? parsed.message
    return typeof text === 'string' ? text.slice(0, 500) : undefined
  } catch {
    return undefined // not JSON: some proxy's page
  }
}

function isRefusal(error: unknown): boolean {
  const { details } = error as { details?: { status?: unknown } }
  return typeof details?.status === 'number' && REFUSALS.has(details.status)
}
