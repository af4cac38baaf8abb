/**
 * Packuments for HTTP clients and for our own questions: from the cache while fresh (documents-at-hand.ts), else from the sources in
 * their order (ask-sources.ts). A document is parsed once for each form it is served in, in a worker; afterwards only bytes move.
 */
import { LRUCache } from 'lru-cache'
import type { Logger } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import {
  askPeersOnly,
  askRegistryOnly,
  askSources,
  renewBehind,
  type AskDependencies,
} from './ask-sources.ts'
import { askHead, type PackumentHead } from './ask-head.ts'
import { findAnswer } from './cache/documents-at-hand.ts'
import type { PackumentForm } from './document/packument-document.ts'
import type { CachedDocument } from './cache/cached-document.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import { documentOwner, type OnSummary } from './packument-fetch.ts'
import type { PackumentJobs } from './worker/packument-jobs.ts'
import {
  hasWanted,
  missingKey,
  type PackumentAnswer,
  type PackumentRequest,
  type Viewer,
} from './packument-request.ts'
import type { PackumentSource } from './packument-source.ts'
import { createPackumentVariants, type PackumentVariant } from './packument-variants.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { createSingleFlight } from '../single-flight.ts'
import { createPoisonDocuments } from './worker/poison-documents.ts'
import { createSilentRegistry } from './silent-registry.ts'
import { createStalePatience } from './stale-patience.ts'
import type { RemovalWatch } from './removal-watch.ts'
import type { VersionJudgements } from './version-judgements.ts'
import type { NamedPackage } from '../guard/takedowns.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createUpstreamSource } from './upstream-source.ts'
import { createWaterfall } from './waterfall.ts'
import { findManifest, type ManifestRequest, type VersionManifest } from './version-manifest.ts'
import { createPeerFallback } from './peers/peer-fallback.ts'
import type { PeerEvidence } from './peers/peer-evidence.ts'

export type { PackumentAnswer, PackumentRequest, Viewer, Wanted } from './packument-request.ts'
export type { PackumentVariant } from './packument-variants.ts'

export interface Packuments {
  /**
   * @throws CatalogError UPSTREAM_UNREACHABLE, UPSTREAM_REJECTED (with status 422 for a document that can't be read);
   *   NOT_FOUND when there is no upstream
   */
  get(request: PackumentRequest): Promise<PackumentAnswer>
  /** Where a request for the head alone is cheaper than `get`, what it says (ask-head.ts). Rejects with the signal's reason. */
  head(request: PackumentRequest): Promise<PackumentHead | undefined>
  /** The bytes to send; `undefined` when the cache lost them (the caller gets the document anew). */
  variant(
    request: PackumentRequest & { form: PackumentForm },
    answer: Pick<PackumentAnswer, 'document' | 'beside'>,
  ): Promise<PackumentVariant | undefined>
  /**
   * The registry's own word for another machine, as a client without credentials gets it: from the cache while it is young, else
   * asked for. Never what another machine has said.
   * @throws CatalogError as `get` does
   */
  ownWord(request: Pick<PackumentRequest, 'name' | 'kind' | 'signal'>): Promise<CachedDocument>
  /** What metadata at hand says of one version, or of what a tag names. */
  manifest(request: ManifestRequest): Promise<VersionManifest | undefined>
  /** Who may see what: the fingerprints to look documents up by, and the credentials that go upstream. */
  viewer(name: string, client: Credentials | undefined): Viewer
  readonly counts: { fresh: number; fetched: number; stale: number }
}

export interface PackumentsOptions {
  readonly maxAgeMs: number
  /** An old document is served when upstream has not answered within this. */
  readonly staleAfterMs: number
  /** A document younger than this is served while upstream is asked behind it. */
  readonly staleWhileRevalidateMs: number
  readonly maxBytes: number
  /** Fetch ahead of clients what documents that they were given depend on. */
  readonly metadataAhead: boolean
  /** Documents on their way to clients that resolve, and ahead of them, together. */
  readonly upstreamSockets: number
}

export interface PackumentsDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  /** Asked where no registry can be; undefined: nobody is. */
  readonly peers?: PackumentSource
  readonly evidence: Pick<PeerEvidence, 'isSigned' | 'isAllSigned' | 'given'>
  /** undefined: metadata is shared with no machine. */
  readonly members?: AskDependencies['members']
  /** Asks the registry by way of another machine where metadata is shared. */
  readonly throughMembers?: (registry: PackumentSource) => PackumentSource
  readonly judgements: VersionJudgements
  readonly removals?: RemovalWatch | undefined
  /** Told of every package that is asked for. */
  readonly onAsked?: (of: NamedPackage) => void
  readonly log: Logger
  /** Told of every document that the registry gives. */
  readonly onSummary?: OnSummary
  /** Told of every package that the registry does not give to strangers, or not any more. */
  readonly onRefused?: (name: string) => void
}

/** What does not exist is not asked for again within this, nor are more such names remembered. */
const MISSING_TTL_MS = 2_000
const MAX_MISSING = 10_000

export function createPackuments(
  deps: PackumentsDependencies,
  options: PackumentsOptions,
): Packuments {
  const { registries } = deps
  const poison = createPoisonDocuments()
  const upstreamSource = createUpstreamSource(deps.upstream, options)
  const waterfall = createWaterfall(
    { registries, viewer, fetch: answer, now: () => performance.now() },
    options,
  )
  const asking: AskDependencies = {
    ...deps,
    onDependencies: (registry, name, names) => waterfall.arrived(registry, name, names),
    ...{ options, poison },
    silence: createSilentRegistry({
      isSilent: (origin, sinceMs) =>
        deps.upstream.isSilent(origin, sinceMs) && deps.members?.heardSince(sinceMs) !== true,
    }),
    fallback: createPeerFallback({ ...deps, poison }, options),
    source: deps.throughMembers?.(upstreamSource) ?? upstreamSource,
    fetches: createSingleFlight<CachedDocument>(),
    patience: createStalePatience({ afterMs: options.staleAfterMs }),
    missing: new LRUCache<string, true>({
      maxSize: MAX_MISSING,
      sizeCalculation: () => 1,
      ttl: MISSING_TTL_MS,
    }),
  }
  const variants = createPackumentVariants({ ...deps, poison }, options)
  const counts = { fresh: 0, fetched: 0, stale: 0 }

  function viewer(name: string, client: Credentials | undefined): Viewer {
    const home = registries.homeOf(name)
    const credentials = client ?? ownCredentials(registries, home, name)
    const owner = documentOwner(home, name, credentials)
    // What a registry that is not public tells strangers may be another one's package of that name.
    return { credentials, owners: owner === '' || !home.isPublic ? [owner] : [owner, ''] }
  }

  async function answer(request: PackumentRequest): Promise<PackumentAnswer> {
    const registry = registries.homeOf(request.name)
    const question = { request, view: viewer(request.name, request.client), registry }
    const isUpstream = registries.forName(request.name) !== null
    if (!isUpstream || request.upstream === 'never') {
      return await askPeersOnly(asking, question, { isUpstream })
    }
    const atHand = await findAnswer(asking, question)
    if (atHand?.state === 'stale') renewBehind(asking, question, atHand.document)
    if (atHand !== undefined) return atHand
    const found = await askSources(asking, question)
    const key = missingKey(question)
    if (key !== undefined && !(await hasWanted(request))) asking.missing.set(key, true)
    return found
  }

  return {
    counts,
    viewer,
    async variant(request, found) {
      for (const each of [found.document, found.beside]) if (each) deps.evidence.given(each)
      return await variants.variant(request, found)
    },
    head(request) {
      const registry = registries.homeOf(request.name)
      const view = viewer(request.name, request.client)
      return askHead({ ...deps, ...asking }, { request, view, registry })
    },
    ownWord: (asked) => {
      const registry = registries.homeOf(asked.name)
      const request = { ...asked, client: undefined, isErrand: true }
      const view = { credentials: undefined, owners: [''] }
      return askRegistryOnly(asking, { request, view, registry })
    },
    manifest: (request) => findManifest(deps, options, request),
    async get(request) {
      deps.onAsked?.({ registry: registries.homeOf(request.name).url, name: request.name })
      const found = await waterfall.follow(request, () => answer(request))
      counts[found.state] += 1
      return found
    },
  }
}

function ownCredentials(
  registries: Registries,
  home: Registry,
  name: string,
): Credentials | undefined {
  // Most have none, and need not take URLs apart for every request.
  return registries.hasCredentials()
    ? registries.credentialsFor(new URL(name, home.url))
    : undefined
}
