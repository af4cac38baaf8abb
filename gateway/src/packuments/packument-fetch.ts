/**
 * One question to a source for a packument, and what came of it in the cache. Who has credentials shows them at once: what a
 * registry tells strangers may be a sign-in page, a shorter list, or another registry's package of that name. The document is
 * then its owner's alone, unless its package is for everybody whatever it is asked with.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { variantName } from './client-policy.ts'
import type { Aged } from './cache/freshness.ts'
import type { IngestedPackument, PackumentForm } from './document/packument-document.ts'
import type { CachedDocument, DocumentKey, PackumentKind } from './cache/cached-document.ts'
import { MembersWordRefused, wasMembers, type MemberIntake } from './members/member-intake.ts'
import type { PackageSummary } from './document/package-summary.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from './worker/packument-jobs.ts'
import type { PackumentSource, ReceivedDocument } from './packument-source.ts'
import type { RemovalWatch } from './removal-watch.ts'
import {
  mayServeRaw,
  UnreadablePackument,
  type PoisonDocuments,
  type RawDocument,
} from './worker/poison-documents.ts'
import { scopeOf } from '../http/route.ts'
import type { Registry } from '../upstream/registries.ts'
import { unusable } from '../upstream/upstream.ts'

export type OnSummary = (key: DocumentKey, summary: PackageSummary) => void
/** Told of every document that anybody may have, and what its latest version depends on. */
export type OnDependencies = (registry: string, name: string, names: readonly string[]) => void

export interface FetchRequest {
  readonly registry: Registry
  readonly name: string
  readonly kind: PackumentKind
  readonly credentials: Credentials | undefined
  /** What of them goes to which URL. */
  readonly credentialsAt: (url: URL) => Credentials | undefined
  /** The variant that will be asked for next, made in the same pass; `abbreviate`: from the full document. */
  readonly form: PackumentForm | undefined
  readonly abbreviate: boolean
  /** Told of what comes, for searches; only where it is the registry's own word. */
  readonly onSummary?: OnSummary | undefined
  readonly onDependencies?: OnDependencies | undefined
  /** Told when the registry does not give it to strangers, or not any more. */
  readonly onRefused?: ((name: string) => void) | undefined
  readonly retries: number | undefined
  /** Asked for the registry's word instead of the registry itself. */
  readonly delegate?: string | undefined
  readonly signal: AbortSignal
}

export interface PackumentFetchDependencies {
  readonly source: PackumentSource
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly poison: PoisonDocuments
  /** undefined: nobody asks what was removed. */
  readonly removals?: RemovalWatch | undefined
  readonly members?: MemberIntake | undefined
  readonly log: Logger
}

/** How often one document is fetched whose worker dies, its fault or not. */
const MAX_TRIES = 4
/** Statuses of a registry that asks for credentials, or that has it no more; 404 says either. No failure is among them. */
export const REFUSALS: ReadonlySet<number> = new Set([401, 403, 404, 410])

/** @throws CatalogError UPSTREAM_UNREACHABLE (also for 5xx answers), UPSTREAM_REJECTED with `status` (422 for broken documents) */
export async function fetchPackument(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: FetchRequest,
): Promise<CachedDocument> {
  const { cache, source } = deps
  const { registry, name } = request
  const owner = documentOwner(registry, name, request.credentials)
  const cached = cache.find({ registry: registry.url, name, owner }, source.by)
  try {
    return await attempt(deps, options, { ...request, cached, owner })
  } catch (error) {
    // It was there once, and is not any more; or not for whoever shows these credentials.
    if (isRefusal(error)) {
      for (const each of [cached, cache.find({ registry: registry.url, name, owner }, 'peers')]) {
        if (each !== undefined) cache.remove(each)
      }
      if (owner === '') request.onRefused?.(name)
    }
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

/** The key of a document that can't be read; the same for every client. */
export function poisonKey(request: Pick<FetchRequest, 'name' | 'kind' | 'registry'>): string {
  return [request.registry.url, request.name, request.kind].join('\n')
}

async function attempt(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  request: Attempt,
): Promise<CachedDocument> {
  const { name, kind } = request
  const key = poisonKey(request)
  const isPoison = deps.poison.has(key)
  // Nobody could do anything with it.
  if (isPoison && !mayServeRaw(request.form?.policy, request.registry))
    throw new UnreadablePackument(name, {})
  let deaths = 0
  // What goes to clients unread is nobody's word but the registry's.
  let delegate = isPoison ? undefined : request.delegate
  for (let tries = 1; ; tries += 1) {
    const asked = { epoch: deps.cache.epochOf(name), atMs: Date.now() }
    const received = await ask(deps, { ...request, delegate }, asked)
    if ('id' in received) return received
    const { body } = received
    if (isPoison) throw new UnreadablePackument(name, rawDocument(received, kind))
    try {
      return await ingest(deps, options, { request, received, asked, deaths })
    } catch (error) {
      if (wasMembers(deps.members, { registry: request.registry.url, name }, { received, error })) {
        delegate = undefined
        continue
      }
      if (!(error instanceof WorkerDied)) throw error
      deaths = error.deaths
      // Its body has gone with the worker: once more from upstream.
      if (error.hasStarted && deaths < MAX_DEATHS && tries < MAX_TRIES) continue
      deps.log.warn('packument.unreadable', { name, registry: request.registry.url, error })
      if (deaths >= MAX_DEATHS) deps.poison.remember(key)
      // Moved to the worker that died, it has no bytes any more.
      const raw = body.byteLength > 0 ? rawDocument(received, kind) : {}
      throw new UnreadablePackument(name, { cause: error, ...raw })
    }
  }
}

/** As it came, where that is a form that every client takes. */
function rawDocument(
  { body, codings }: ReceivedDocument,
  kind: PackumentKind,
): { document?: RawDocument } {
  if (codings.length > 1 || (codings.length === 1 && codings[0] !== 'gzip')) return {}
  return { document: { body, kind, gzipped: codings.length === 1 } }
}

/** Of the cache and the clock, when a source was asked. */
interface Asked {
  readonly epoch: number
  readonly atMs: number
}

/** The document at hand when it is confirmed, else the new one. */
async function ask(
  deps: PackumentFetchDependencies,
  request: Attempt,
  asked: Asked,
): Promise<CachedDocument | ReceivedDocument> {
  const { registry, name, kind, credentialsAt, retries, delegate, signal } = request
  const validators = await withBody(deps, request)
  const question = { registry, name, kind, validators, credentialsAt, retries, delegate, signal }
  const received = await deps.source.fetch(question)
  if (received.status === 'document') return received
  if (validators === undefined) throw new Error('confirmed what was not at hand')
  const { peerFetchedAtMs } = received
  const aged = agedOf(deps.cache, name, { ...received, asked })
  return deps.cache.update(validators, { ...aged, peerFetchedAtMs })
}

/** Current as of now; changed if the package was changed through this gateway after the source was asked. */
function agedOf(
  cache: PackumentCache,
  name: string,
  { asked, lifetimeMs }: { asked: Asked; lifetimeMs: number | undefined },
): Aged {
  const freshness = cache.epochOf(name) === asked.epoch ? 'current' : 'changed'
  return { confirmedAtMs: Date.now(), lifetimeMs, freshness }
}

interface Ingestion {
  readonly request: Attempt
  readonly received: ReceivedDocument
  readonly asked: Asked
  readonly deaths: number
}

async function ingest(
  deps: PackumentFetchDependencies,
  options: { maxBytes: number },
  { request, received, asked, deaths }: Ingestion,
): Promise<CachedDocument> {
  const { registry, name, form, abbreviate, owner } = request
  const { cache, log } = deps
  const { body, codings, etag, lastModified, lifetimeMs, url, fromPeers, member } = received
  const kind = fromPeers?.kind ?? received.kind ?? request.kind
  // Evidence for peers; elsewhere they show that a package without a scope is npm's.
  const isPeers = fromPeers !== undefined
  const withSignatures = isPeers || registry.isPublic || scopeOf(name) === undefined
  const about = { registry: registry.url, isPrivate: owner !== '', withSignatures, name }
  const of = { registry: registry.url, name }
  const mayTell = !isPeers && member === undefined && owner === '' && registry.isPublic
  const removals = mayTell ? deps.removals : undefined
  const before = await removals?.before(of, cache.find({ ...of, owner }))
  const ofMember = member === undefined ? undefined : await deps.members?.keysOf(registry.url)
  const shape = {
    form,
    abbreviate: kind === 'full' && (abbreviate || request.kind === 'abbreviated'),
  }
  const job = { body, codings, maxBytes: options.maxBytes, ...about, ...shape, before, ofMember }
  const { ingested, variant, refused } = await deps.jobs
    .run({ ...job, ingest: true }, deaths)
    .catch((error: unknown) => {
      if (error instanceof WorkerDied) throw error
      log.warn('packument.broken', { name, error })
      throw unusable(url, `${name}: its metadata cannot be read`, error)
    })
  if (refused !== undefined) throw new MembersWordRefused(refused)
  if (ingested === undefined) throw new Error('the packument worker did not ingest')
  if (ingested.dropped.length > 0) {
    log.warn('packument.versions-dropped', {
      name,
      registry: registry.url,
      versions: ingested.dropped,
    })
  }
  const present = cache.find({ registry: registry.url, name, owner }, deps.source.by)
  // A full document that came meanwhile says all of it.
  const isLate = kind === 'abbreviated' && present?.kind === 'full'
  if (isLate && present.confirmedAtMs >= asked.atMs) return present
  const { raw, versions, hash, publicUrls, modifiedAtMs } = ingested
  removals?.note(of, ingested.changes, asked.atMs)
  const bytes = raw.byteLength + versions.byteLength
  const aged = agedOf(cache, name, { asked, lifetimeMs })
  const facts = { registry: registry.url, name, owner, kind, hash, etag, lastModified, publicUrls }
  const source = { peerFetchedAtMs: fromPeers?.fetchedAtMs, witness: fromPeers?.witness, member }
  const document = cache.save({ ...facts, ...aged, ...source, modifiedAtMs }, bytes)
  await keepBodies(cache, document, { raw, versions })
  if (owner === '') request.onDependencies?.(registry.url, name, ingested.dependencies)
  if (ingested.summary !== undefined) request.onSummary?.(document, ingested.summary)
  if (variant !== undefined && form !== undefined) {
    const part = variantName(form, shape.abbreviate)
    await cache.saveForm(document, { part, gzipped: variant, isKept: form.isKept })
  }
  if (present !== undefined && present.hash !== hash) cache.bodies.clear(document.id, hash)
  return document
}

async function keepBodies(
  { bodies }: PackumentCache,
  { id, hash }: CachedDocument,
  parts: Pick<IngestedPackument, 'raw' | 'versions'>,
): Promise<void> {
  for (const [part, body] of Object.entries(parts)) {
    await bodies.write({ document: id, hash, part }, body)
  }
}

/**
 * The document that a source may confirm: one of the kind asked for, with both of its files. Without them, as after a kill
 * between the two, a 304 would be of no use. Of what kind peers' are is theirs to say.
 */
async function withBody(
  { cache, source }: PackumentFetchDependencies,
  { cached, kind }: Attempt,
): Promise<CachedDocument | undefined> {
  if (cached === undefined || (source.by === 'registry' && cached.kind !== kind)) return undefined
  const at = { document: cached.id, hash: cached.hash }
  const parts = await Promise.all(
    ['raw', 'versions'].map((part) => cache.bodies.read({ ...at, part })),
  )
  return parts.includes(undefined) ? undefined : cached
}

function isRefusal(error: unknown): boolean {
  const { details } = error as { details?: { status?: unknown } }
  return typeof details?.status === 'number' && REFUSALS.has(details.status)
}
