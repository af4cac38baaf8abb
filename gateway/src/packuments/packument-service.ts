/**
 * Packuments for HTTP clients and for our own questions: from the cache while fresh, asked for again when not, old ones when the source fails and they
 * hold what is wanted; from peers where there is none, and no registry in reach. A document is parsed once for each form it is served in, in a worker; afterwards only bytes move.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError, isCatalogError, type Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { freshForMs } from './freshness.ts'
import type { PackumentForm } from './packument-document.ts'
import type { CachedDocument, PackumentKind } from './cached-document.ts'
import type { PackumentCache } from './packument-cache.ts'
import { documentOwner, fetchPackument, poisonKey, type OnSummary } from './packument-fetch.ts'
import type { PackumentJobs } from './packument-jobs.ts'
import type { PackumentSource } from './packument-source.ts'
import { createPackumentVariants, type PackumentVariant } from './packument-variants.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { createSingleFlight, type SingleFlight } from '../single-flight.ts'
import { createPoisonDocuments, mayServeRaw, type PoisonDocuments } from './poison-documents.ts'
import { createStalePatience, type StalePatience } from './stale-patience.ts'
import type { VersionJudgements } from './version-judgements.ts'
import { isUnusable, type Upstream } from '../upstream/upstream.ts'
import { createUpstreamSource } from './upstream-source.ts'
import { createPeerFallback, type PeerFallback } from './peers/peer-fallback.ts'

export type { PackumentVariant } from './packument-variants.ts'

export interface PackumentRequest {
  readonly name: string
  readonly kind: PackumentKind
  /** What the client sent. */
  readonly client: Credentials | undefined
  /** The variant that will be asked for; saves a pass if it has to be made. */
  readonly form?: PackumentForm
  /** Ask upstream even if the document is young. */
  readonly revalidate?: boolean
  /** What the caller is after, if it is one thing: a document without it is asked for again before it is an answer. */
  readonly wanted?: Wanted
  /** From the cache, however old, or not at all. */
  readonly upstream?: 'never' | undefined
  readonly signal: AbortSignal
}

export interface Wanted {
  /** A version, tag or file; the same `what` of a package is not asked for again and again when it does not exist. */
  readonly what: string
  /** Whether a document at hand has it. */
  isHere(): Promise<boolean>
}

export interface PackumentAnswer {
  readonly document: CachedDocument
  /** fresh: upstream was not asked; fetched: it was; stale: it should have been, but failed. */
  readonly state: 'fresh' | 'fetched' | 'stale'
}

export interface Packuments {
  /**
   * @throws CatalogError UPSTREAM_UNREACHABLE, UPSTREAM_REJECTED (with status 422 for a document that can't be read);
   *   NOT_FOUND when there is no upstream
   */
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
  /** An old document is served when upstream has not answered within this. */
  readonly staleAfterMs: number
  readonly maxBytes: number
}

export interface PackumentsDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  /** Asked where no registry can be; undefined: nobody is. */
  readonly peers?: PackumentSource
  readonly judgements: VersionJudgements
  readonly log: Logger
  /** Told of every document that the registry gives. */
  readonly onSummary?: OnSummary
}

/** A fetch that nobody waits for any more ends by this. */
const MAX_FETCH_MS = 600_000
/** What does not exist is not asked for again within this, nor are more such names remembered. */
const MISSING_TTL_MS = 2_000
const MAX_MISSING = 10_000

export function createPackuments(
  deps: PackumentsDependencies,
  options: PackumentsOptions,
): Packuments {
  const { registries, cache } = deps
  const poison = createPoisonDocuments()
  const shared: Shared = {
    ...deps,
    ...{ options, poison },
    fallback: createPeerFallback({ ...deps, poison }, options),
    source: createUpstreamSource(deps.upstream, options),
    fetches: createSingleFlight<CachedDocument>(),
    patience: createStalePatience({ afterMs: options.staleAfterMs }),
    missing: new LRUCache<string, true>({ max: MAX_MISSING, ttl: MISSING_TTL_MS }),
  }
  const variants = createPackumentVariants({ ...deps, poison }, options)
  const counts = { fresh: 0, fetched: 0, stale: 0 }

  function viewer(name: string, client: Credentials | undefined): Viewer {
    const home = registries.homeOf(name)
    const credentials = client ?? registries.credentialsFor(new URL(name, home.url))
    const owner = documentOwner(home, name, credentials)
    // What a registry that is not public tells strangers may be another one's package of that name.
    return { credentials, owners: owner === '' || !home.isPublic ? [owner] : [owner, ''] }
  }

  async function answer(request: PackumentRequest): Promise<PackumentAnswer> {
    const view = viewer(request.name, request.client)
    const registry = registries.forName(request.name)
    if (registry === null || request.upstream === 'never') {
      const document = await bestAtHand(cache, { request, view, registry })
      if (request.upstream !== 'never') {
        const home = registries.homeOf(request.name)
        const asked = await shared.fallback.ask({ request, view, registry: home }, document)
        if (asked !== undefined) return { document: asked, state: 'fetched' }
      }
      if (document !== undefined) return { document, state: 'fresh' }
      const why = registry === null ? 'it has no upstream' : 'the request lets it ask no upstream'
      throw notKnown(request.name, why)
    }
    const question = { request, view, registry }
    const fresh = await freshAnswer(shared, question)
    if (fresh !== undefined) return { document: fresh, state: 'fresh' }
    const found = await fetchOrStale(shared, question)
    const key = missingKey(question)
    if (key !== undefined && !(await request.wanted?.isHere())) shared.missing.set(key, true)
    return found
  }

  return {
    counts,
    viewer,
    variant: (request, document) => variants.variant(request, document),
    async get(request) {
      const found = await answer(request)
      counts[found.state] += 1
      return found
    },
  }
}

interface Shared extends PackumentsDependencies {
  readonly options: PackumentsOptions
  readonly source: PackumentSource
  readonly fallback: PeerFallback
  readonly poison: PoisonDocuments
  readonly fetches: SingleFlight<CachedDocument>
  readonly patience: StalePatience
  /** What upstream was asked for a moment ago and did not have. */
  readonly missing: LRUCache<string, true>
}

interface Question {
  readonly request: PackumentRequest
  readonly view: Viewer
  readonly registry: Registry
}

/** A document that needs no question to upstream, with what is wanted or with all that there is. */
async function freshAnswer(
  shared: Shared,
  question: Question,
): Promise<CachedDocument | undefined> {
  const { cache, options, missing } = shared
  const { request, view, registry } = question
  const { name, wanted } = request
  const kind = sourceKind(shared, request)
  if (request.revalidate === true) return undefined
  const [owner = ''] = view.owners
  const found = cache.find({ registry: registry.url, name, owner })
  if (found === undefined || (kind === 'full' && found.kind !== 'full')) return undefined
  if (freshForMs(found, options.maxAgeMs, Date.now()) <= 0) return undefined
  if (wanted === undefined || (await wanted.isHere())) return found
  return missing.has(missingKey(question) ?? '') ? found : undefined
}

/** Only full documents say when versions came out, which the guard may have to know. */
function sourceKind({ judgements }: Shared, { name, kind }: PackumentRequest): PackumentKind {
  return judgements.guard.needsTimes(name) ? 'full' : kind
}

/** What was wanted, of whom and by whom; undefined when it was no one thing. */
function missingKey({ request, view, registry }: Question): string | undefined {
  const { name, wanted } = request
  return wanted && [registry.url, name, wanted.what, ...view.owners].join('\n')
}

/** The best there is, with its body: of the kind asked for, else of the other. */
async function bestAtHand(
  cache: PackumentCache,
  { request, view, registry }: Omit<Question, 'registry'> & { registry: Registry | null },
): Promise<CachedDocument | undefined> {
  // Peers only: there is no registry whose documents they would be, so any registry's will do.
  const documents = cache.findByName(registry?.url, request.name, view.owners)
  // The abbreviated form can be made of a full document.
  const isFull = ({ kind }: CachedDocument): number => Number(kind === 'full')
  if (request.kind === 'full') documents.sort((a, b) => isFull(b) - isFull(a))
  const rank = ({ owner }: CachedDocument): number => view.owners.indexOf(owner)
  documents.sort((a, b) => rank(a) - rank(b))
  for (const document of documents) {
    const at = { document: document.id, hash: document.hash }
    if ((await cache.bodies.read({ ...at, part: 'raw' })) !== undefined) return document
  }
  return undefined
}

async function fetchOrStale(shared: Shared, question: Question): Promise<PackumentAnswer> {
  const { cache, upstream, patience, fallback, log } = shared
  const { request, registry } = question
  const { name, signal } = request
  const old = await bestAtHand(cache, question)
  const hasWanted = request.wanted === undefined || (await request.wanted.isHere())
  const isAnswer = old !== undefined && hasWanted && old.freshness !== 'changed'
  const isDown = upstream.isDown(registry.origin)
  if (isDown) {
    const asked = await fallback.ask(question, old)
    if (asked !== undefined) return { document: asked, state: 'fetched' }
    if (isAnswer) return { document: old, state: 'stale' }
  }
  try {
    // An old copy is no reason to wait for ever, nor to ask again and again.
    const document = isAnswer
      ? await patience.waitFor(
          fetchShared(shared, question, { old, signal: AbortSignal.timeout(MAX_FETCH_MS) }),
          { url: new URL(registry.url), signal },
        )
      : await fetchShared(shared, question, { old, signal })
    return { document, state: 'fetched' }
  } catch (error) {
    const isFailure = isCatalogError(error, 'UPSTREAM_UNREACHABLE') || isUnusable(error)
    const asked = isFailure && !isDown ? await fallback.ask(question, old) : undefined
    if (asked !== undefined) return { document: asked, state: 'fetched' }
    if (old === undefined || !hasWanted || !isFailure) throw error
    log.warn('packument.stale', { name, reason: (error as Error).message })
    const isChanged = old.freshness === 'changed'
    const document = isChanged ? cache.update(old, { ...old, freshness: 'unconfirmed' }) : old
    return { document, state: 'stale' }
  }
}

/** Callers of one epoch share a fetch: those that ask after a change do not join one that was begun before it. */
function fetchShared(
  shared: Shared,
  { request, view, registry }: Question,
  { old, signal }: { old: CachedDocument | undefined; signal: AbortSignal },
): Promise<CachedDocument> {
  const { cache, registries, poison, options, fetches } = shared
  const { name, form } = request
  // A full document at hand stays one: confirming it costs less than a second document, and they would age apart.
  const kind = old?.kind === 'full' ? 'full' : sourceKind(shared, request)
  const epoch = cache.epochOf(name)
  const who = view.credentials?.fingerprint
  // A document that can't be read is fetched only for clients that may have it unread.
  const isPoison = poison.has(poisonKey({ name, kind, registry }))
  const only = isPoison && mayServeRaw(form?.policy, registry)
  const key = [registry.url, name, kind, who, epoch, only].join('\n')
  const work = (aborted: AbortSignal): Promise<CachedDocument> =>
    fetchPackument(shared, options, {
      ...{ registry, name, kind, credentials: view.credentials },
      credentialsAt: (url) => registries.credentialsAt(registry, url, view.credentials),
      form,
      onSummary: shared.onSummary,
      abbreviate: kind === 'full' && request.kind === 'abbreviated',
      retries: undefined,
      signal: aborted,
    })
  return fetches.run(key, work, signal)
}

function notKnown(name: string, why: string): CatalogError {
  return new CatalogError('NOT_FOUND', `${name}: not known to this node, and ${why}`, {
    hint: 'metadata that it has seen itself is all there is then',
  })
}
