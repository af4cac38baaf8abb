/**
 * Everything behind the gateway's routes, built once in order and closed in reverse.
 */
import { randomBytes } from 'node:crypto'
import type { CatalogNode, Logger } from '@catalog-p2p/core'
import { createArtifacts, type Artifacts } from './artifacts/artifacts.ts'
import { createBindings, splitBindings, type NamedVersion } from './artifacts/bindings.ts'
import { scopeOf } from './http/route.ts'
import { createVersionDocuments } from './artifacts/version-documents.ts'
import { createPublicNames } from './artifacts/public-names.ts'
import { createRegistrySignatures } from './keys/registry-signature.ts'
import { createDispatcher } from './upstream/dispatcher.ts'
import { createHints, type Hints } from './hints/hints.ts'
import { createPrediction, type Prediction } from './hints/prediction.ts'
import type { Environment, NpmConfig } from './upstream/npmrc.ts'
import type { ParsedGatewayOptions } from './options.ts'
import { createSigningKeys, type SigningKeys } from './keys/signing-keys.ts'
import {
  openPackumentCache,
  type DocumentKey,
  type PackumentCache,
} from './packuments/packument-cache.ts'
import { createSplitCache, UNKEPT_PREFIX } from './packuments/split-cache.ts'
import { createPackumentJobs } from './packuments/packument-jobs.ts'
import { createPackuments, type Packuments } from './packuments/packuments.ts'
import { createPrivateArtifacts } from './artifacts/private-artifacts.ts'
import { createRegistries, isPublicUrl, type Registries } from './upstream/registries.ts'
import { createIdentify } from './upstream/credentials.ts'
import { readOwnerKey } from './upstream/owner-key.ts'
import { createUpstream, type Upstream } from './upstream/upstream.ts'
import { createVersionIndex, type VersionIndex } from './packuments/version-index.ts'

export interface Parts {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly packuments: Packuments
  readonly index: VersionIndex
  readonly artifacts: Artifacts
  readonly signingKeys: SigningKeys
  readonly hints: Hints
  /** undefined: nothing is guessed. */
  readonly prediction: Prediction | undefined
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
  deps: PartsDependencies,
  options: ParsedGatewayOptions,
): Promise<Parts> {
  const { node, log, config, env } = deps
  const { port, addresses, previousRegistry, publicRegistries } = options
  const { ownerKeyPath } = options
  const key = ownerKeyPath === undefined ? undefined : await readOwnerKey(ownerKeyPath, log)
  const registries = createRegistries(
    { config, log, identify: createIdentify(key) },
    { upstream: options.upstream, previousRegistry, port, addresses, publicRegistries },
  )
  const dispatcher = createDispatcher(config, env, {
    connectTimeoutMs: options.upstreamConnectTimeoutMs,
    maxSockets: options.upstreamSockets,
  })
  const upstream = createUpstream(
    { dispatcher },
    {
      timeoutMs: options.upstreamTimeoutMs,
      retries: options.upstreamRetries,
      userAgent: `catalog-p2p node/${process.version}`,
    },
  )
  const maxBytes = options.maxPackumentBytes
  const limits = { memoryBytes: options.metadataMemoryBytes, maxBytes }
  const kept = await openPackumentCache(
    { log },
    { ...limits, path: options.cachePath, quotaBytes: options.metadataQuotaBytes },
  )
  const unkept = options.keepPrivate
    ? undefined
    : await openPackumentCache(
        { log },
        { ...limits, path: undefined, quotaBytes: limits.memoryBytes, idPrefix: UNKEPT_PREFIX },
      )
  const isPrivate = ({ owner, registry }: DocumentKey): boolean =>
    owner !== '' || !isPublicUrl(new URL(registry), publicRegistries)
  const cache = unkept === undefined ? kept : createSplitCache({ kept, unkept }, isPrivate)
  const jobs = createPackumentJobs()
  const index = createVersionIndex(cache)
  const privates = createPrivateArtifacts({ node, database: (unkept ?? kept).database })
  const packuments = createPackuments(
    { registries, upstream, cache, jobs, log },
    { maxAgeMs: options.maxAgeMs, staleAfterMs: options.staleAfterMs, maxBytes },
  )
  const signatures = createRegistrySignatures({ log }, { keyringPath: options.keyringPath })
  const publicNames = createPublicNames(cache.database)
  const isOpen = ({ registry, name }: NamedVersion): boolean =>
    isPublicUrl(new URL(registry), publicRegistries) &&
    (scopeOf(name) === undefined || publicNames.has(registry, name))
  const bindings = splitBindings(createBindings(kept.database), {
    unkept: unkept && createBindings(unkept.database),
    isOpen,
  })
  const documents = createVersionDocuments({
    ...{ registries, upstream, packuments, index, publicNames },
  })
  const artifacts = createArtifacts(
    {
      ...{ node, registries, upstream, cache, packuments, index, privates },
      ...{ bindings, signatures, documents, publicNames, log },
    },
    options,
  )
  const hints = createHints(
    { node, registries, index, bindings, artifacts, log },
    {
      enabled: options.hints,
      maxPackages: options.maxHints,
      concurrency: options.hintConcurrency,
      waitMs: options.hintWaitMs,
    },
  )
  const signingKeys = createSigningKeys(
    { registries, upstream, database: cache.database, log },
    { maxAgeMs: options.maxAgeMs, keyringPath: options.keyringPath },
  )
  const prediction = options.predict
    ? createPrediction({ hints, cache, registries, log })
    : undefined
  return {
    ...{ registries, upstream, cache, packuments, index, artifacts, signingKeys, hints },
    prediction,
    async close() {
      hints.close()
      await upstream.close()
      await jobs.close()
      await cache.close()
    },
  }
}
