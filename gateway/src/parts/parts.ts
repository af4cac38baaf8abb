/**
 * Everything behind the gateway's routes, built once in order and closed in reverse.
 */
import { randomBytes } from 'node:crypto'
import type { CatalogNode, Database, Logger } from '@catalog-p2p/core'
import { openAnsweringParts, openGuestParts, type AnsweringParts } from './answering-parts.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import type { BuildResults } from '../build-results/build-results.ts'
import {
  createBindings,
  splitBindings,
  type Bindings,
  type NamedVersion,
} from '../artifacts/bindings/bindings.ts'
import { scopeOf } from '../http/route.ts'
import { MissingRecords } from '../artifacts/records/missing-records.ts'
import { createPublicNames, type PublicNames } from '../artifacts/visibility/public-names.ts'
import type { GatewaySignatures } from '../keys/gateway-signature.ts'
import { createRegistrySignatures } from '../keys/registry-signature.ts'
import { createTrustedKeys } from '../keys/trusted-keys.ts'
import type { Guard } from '../guard/guard.ts'
import { openGuard } from './guard-parts.ts'
import { joinLedgers, SqliteLedger, type Ledger } from '../guard/ledger.ts'
import { isPublisher } from '../publishing/network-summary.ts'
import { openNetworkParts } from './network-parts.ts'
import type { Network } from '../publishing/network.ts'
import { serveFleet } from '../artifacts/fleet-errands.ts'
import { removeMalware } from '../artifacts/remove-malware.ts'
import type { LedgerOf } from '../artifacts/sending/send-noted.ts'
import { SourceCounts } from '../packuments/answer-source.ts'
import { openMemberParts } from './member-parts.ts'
import { openWitnessParts } from './witness-parts.ts'
import { VersionJudgements } from '../packuments/version-judgements.ts'
import { KeptAnswers } from '../registry-api/kept-answers.ts'
import { createHints, type Hints, type HintsOptions } from '../hints/hints.ts'
import type { Environment, NpmConfig } from '../upstream/npmrc.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import { createSigningKeys, type SigningKeys } from '../keys/signing-keys.ts'
import type { DocumentKey } from '../packuments/cache/cached-document.ts'
import { openPackumentCache, type PackumentCache } from '../packuments/cache/packument-cache.ts'
import { createSplitCache, UNKEPT_PREFIX } from '../packuments/cache/split-cache.ts'
import { createPackumentJobs } from '../packuments/worker/packument-jobs.ts'
import { listPackuments } from '../packuments/peers/listed-packuments.ts'
import { createDroppedDocuments } from '../packuments/peers/dropped-documents.ts'
import { createPeerEvidence } from '../packuments/peers/peer-evidence.ts'
import { createPeerSource } from '../packuments/peers/peer-source.ts'
import { RefusedWords } from '../packuments/peers/refused-words.ts'
import { createTarballCheck, type TarballCheck } from '../packuments/peers/tarball-check.ts'
import type { Packuments } from '../packuments/packument-service.ts'
import {
  createPrivateArtifacts,
  type PrivateArtifacts,
} from '../artifacts/visibility/private-artifacts.ts'
import type { CertificateExchange } from '../trust/certificate-exchange.ts'
import type { FirstUse } from '../trust/first-use.ts'
import type { Trust } from '../trust/trust.ts'
import { openCertificates, openFirstUse, openOrigins, type Origins } from './origins.ts'
import { isPublicUrl, type Registries } from '../upstream/registries.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { openLocalIndex } from '../search/local-index.ts'
import type { Shares } from '../sharing/shares.ts'
import type { Search } from '../search/search.ts'
import { createVersionIndex, type VersionIndex } from '../packuments/version-index.ts'

export interface Parts {
  readonly trust: Trust
  readonly network: Network
  readonly shares: Shares
  /** undefined without a trust file. */
  readonly gatewaySignatures: GatewaySignatures | undefined
  /** undefined without a trust file. */
  readonly firstUse: FirstUse | undefined
  /** undefined without a trust file. */
  readonly certificates: CertificateExchange | undefined
  readonly registries: Registries
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly packuments: Packuments
  readonly index: VersionIndex
  readonly artifacts: Artifacts
  readonly kept: KeptAnswers
  readonly signingKeys: SigningKeys
  readonly hints: Hints
  readonly search: Search
  readonly guard: Guard
  readonly tarballCheck: TarballCheck
  readonly ledger: LedgerOf
  /** Whose word metadata was that clients got. */
  readonly sources: SourceCounts
  readonly builds: BuildResults
  /** What clients of this machine were given. */
  readonly servedVersions: Ledger
  /** In place of these parts where guests ask. */
  readonly forGuests: AnsweringParts & { readonly signingKeys: SigningKeys }
  close(): Promise<void>
}

export interface PartsDependencies {
  readonly node: CatalogNode
  readonly log: Logger
  readonly config: NpmConfig
  readonly env: Environment
}

/** A name for this run that goes into Via; no secret. */
export function newInstance(): string {
  return `catalog-${randomBytes(6).toString('hex')}`
}

/** @throws CatalogError INVALID_OPTIONS, STORE_LOCKED */
export async function openParts(
  { node, log, config, env }: PartsDependencies,
  options: ParsedGatewayOptions,
): Promise<Parts> {
  const { keyringPath, maxPackumentBytes: maxBytes } = options
  const origins = await openOrigins({ log, config, env }, options)
  const { registries, upstream } = origins
  const { guard, signaturePolicy } = await openGuard({ upstream, log, registries }, options)
  const caches = await openCaches(log, options)
  const { cache, database } = caches
  const { jobs, refusedWords, dropped, sources } = freshState()
  const trustedKeys = createTrustedKeys({ log }, { keyringPath })
  const isKnownPublic = (name: string): boolean => artifacts.isKnownPublic(name)
  const sharing = { node, cache, jobs, registries, trustedKeys, isKnownPublic, refusedWords, log }
  const ofMembers = openMemberParts(sharing, options)
  const evidence = createPeerEvidence({ ...sharing, ...ofMembers, dropped }, { maxBytes })
  const index = createVersionIndex(cache, evidence)
  const localIndex = openLocalIndex({
    ...{ database, log },
    isPublic: (registry) => isForAll(registry, options),
  })
  const judgements = new VersionJudgements({ cache, guard }, { wantsTimes: options.countersign })
  const witnessing = openWitnessParts({ ...sharing, database, guard, judgements }, options)
  const peers = createPeerSource({ ...sharing, ...witnessing }, { maxBytes })
  const kept = new KeptAnswers(database)
  const hearing = { onSummary: localIndex.note.bind(localIndex), onRefused: kept.forget.bind(kept) }
  const publicNames = createPublicNames(database)
  const bindings = createSplitBindings({ ...caches, log, publicNames }, options)
  const ledgers = createLedgers(log, caches, options)
  const tarballCheck = createTarballCheck({ ...sharing, dropped }, { maxBytes })
  const missing = options.fetchRecords ? new MissingRecords({ ...sharing, upstream }) : undefined
  const answering = {
    ...{ ...sharing, upstream, index, bindings, publicNames, guard, ledger: ledgers.both },
    ...{ ...hearing, ...witnessing, ...ofMembers.asking, peers, evidence, judgements },
    ...{ tarballCheck, missing, signaturePolicy },
    privateAccess: openPrivateArtifacts(node, caches, options),
    signatures: createRegistrySignatures({ log }, { keyringPath }),
  }
  const { packuments, artifacts } = openAnsweringParts(answering, options)
  const guests = openGuestParts(answering, options)
  serveFleet({ node, registries, artifacts })
  ofMembers.start(packuments)
  const listed = listPackuments(sharing, { maxBytes })
  await witnessing.start(packuments)
  const hinting = { node, registries, index, bindings, artifacts, log }
  const hints = createHints(hinting, hintsOptions(options))
  const networking = { node, log, env, origins, localIndex, ...caches, isKnownPublic }
  const ofNetwork = openNetworkParts(networking, options)
  const certificates = openCertificates({ node, log, ...origins }, options)
  const firstUse = openFirstUse({ node, log, ...origins }, options)
  await guard.onList(() => removeMalware({ node, guard, bindings, log, ledger: ledgers.both }))
  return {
    ...{ ...origins, ...ofNetwork, certificates, cache, packuments, index, artifacts },
    ...{ hints, guard, firstUse, tarballCheck, kept },
    ...{ ledger: ledgers.of, servedVersions: ledgers.both, sources },
    signingKeys: openSigningKeys({ ...origins, database, log }, options),
    forGuests: {
      ...guests,
      signingKeys: openSigningKeys({ ...origins, ...guests, database, log }, options),
    },
    async close() {
      for (const part of [evidence, missing, hints]) part?.close()
      await Promise.all([certificates?.stop(), firstUse?.stop()])
      await Promise.all([witnessing.close(), ofMembers.close()])
      await listed.stop()
      await ofNetwork.close()
      guard.close()
      await upstream.close()
      await jobs.close()
      localIndex.close()
      // Last, but before their database: what is answered until now is written too.
      ledgers.both.close()
      bindings.close()
      await cache.close()
    },
  }
}

function isForAll(registry: string, { publicRegistries }: ParsedGatewayOptions): boolean {
  return isPublisher(registry) || isPublicUrl(new URL(registry), publicRegistries)
}

/** What begins anew with every run. */
function freshState() {
  const sources = new SourceCounts()
  const dropped = createDroppedDocuments()
  return { jobs: createPackumentJobs(), refusedWords: new RefusedWords(), dropped, sources }
}

function openSigningKeys(
  origins: Origins & { readonly database: Database; readonly log: Logger },
  { maxAgeMs, keyringPath }: ParsedGatewayOptions,
): SigningKeys {
  return createSigningKeys(
    { ...origins, own: origins.gatewaySignatures },
    { maxAgeMs, keyringPath },
  )
}

function hintsOptions(options: ParsedGatewayOptions): HintsOptions {
  return {
    enabled: options.hints,
    maxPackages: options.maxHints,
    concurrency: options.hintConcurrency,
    waitMs: options.hintWaitMs,
  }
}

interface Caches {
  readonly cache: PackumentCache
  /** Of what outlives this run. */
  readonly database: Database
  /** Of what is private and gone after this run; undefined: that is kept like everything else. */
  readonly unkeptDatabase: Database | undefined
}

/** Two caches where nothing private is to be kept on disk. */
async function openCaches(log: Logger, options: ParsedGatewayOptions): Promise<Caches> {
  const { cachePath: path, metadataQuotaBytes: quotaBytes, publicRegistries } = options
  const limits = { memoryBytes: options.metadataMemoryBytes, maxBytes: options.maxPackumentBytes }
  const kept = await openPackumentCache({ log }, { ...limits, path, quotaBytes })
  const { database } = kept
  if (options.keepPrivate) return { cache: kept, database, unkeptDatabase: undefined }
  const unkept = await openPackumentCache(
    { log },
    { ...limits, path: undefined, quotaBytes: limits.memoryBytes, idPrefix: UNKEPT_PREFIX },
  )
  const isPrivate = ({ owner, registry }: DocumentKey): boolean =>
    owner !== '' || !isPublicUrl(new URL(registry), publicRegistries)
  const cache = createSplitCache({ kept, unkept }, isPrivate)
  return { cache, database, unkeptDatabase: unkept.database }
}

function openPrivateArtifacts(
  node: CatalogNode,
  { database, unkeptDatabase }: Caches,
  { frozenTrust }: ParsedGatewayOptions,
): PrivateArtifacts {
  const deps = { node, database: unkeptDatabase ?? database }
  return createPrivateArtifacts(deps, { unowned: frozenTrust ? 'open' : 'denied' })
}

/** Bindings of names that are not known to be public go where private packages go. */
function createSplitBindings(
  {
    database,
    unkeptDatabase,
    log,
    publicNames,
  }: Caches & { readonly log: Logger; readonly publicNames: PublicNames },
  { publicRegistries }: ParsedGatewayOptions,
): Bindings {
  const isOpen = ({ registry, name }: NamedVersion): boolean =>
    isPublicUrl(new URL(registry), publicRegistries) &&
    (scopeOf(name) === undefined || publicNames.has(registry, name))
  const unkept = unkeptDatabase && createBindings(unkeptDatabase, { log })
  return splitBindings(createBindings(database, { log }), { unkept, isOpen })
}

/** Private artifacts go where their metadata goes. */
function createLedgers(
  log: Logger,
  { database, unkeptDatabase }: Caches,
  { minReleaseAgeMs: minAgeMs }: ParsedGatewayOptions,
): { of: LedgerOf; both: Ledger } {
  const kept = new SqliteLedger(database, { log, minAgeMs })
  const unkept = unkeptDatabase && new SqliteLedger(unkeptDatabase, { log, minAgeMs })
  if (unkept === undefined) return { of: () => kept, both: kept }
  return {
    of: (visibility) => (visibility === 'private' ? unkept : kept),
    both: joinLedgers(kept, unkept),
  }
}
