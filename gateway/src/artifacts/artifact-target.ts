/**
 * What a tarball request is really after: the digest, from the client itself (npm's `pacote-integrity`), from metadata at
 * hand, from a lockfile, else from metadata fetched for it. And where upstream keeps it.
 */
import { hashesOf } from './version-hashes.ts'
import { CatalogError, findDigest, isCatalogError, type Digest } from '@catalog-p2p/core'
import type { Credentials } from '../upstream/credentials.ts'
import { tarballFile } from '../packuments/client-policy.ts'
import type { Packuments, Viewer } from '../packuments/packuments.ts'
import type { Registries } from '../upstream/registries.ts'
import type { VersionIndex, VersionQuery } from '../packuments/version-index.ts'
import type { VersionFacts } from '../packuments/version-lines.ts'

export interface ArtifactRequest {
  readonly name: string
  readonly version: string | undefined
  /** As the client asked for it. */
  readonly file: string | undefined
  /** Subresource Integrity that the client, or its lockfile, expects. */
  readonly integrity: string | undefined
  readonly client: Credentials | undefined
  /** From the store or from peers, or not at all; with metadata at hand, if it takes any. */
  readonly upstream?: 'never' | undefined
  /** Aborted when the caller is done with the artifact without having read it to its end. */
  readonly signal: AbortSignal
}

export interface ArtifactTarget {
  readonly digest: Digest | undefined
  /** What its bytes must match where there is no digest, as Subresource Integrity; undefined: its registry names no hash. */
  readonly hashes: string | undefined
  /** Looked up only when upstream is asked. */
  readonly url: () => Promise<URL>
  /** Only a lockfile that was prefetched once says so: not this client, nor the registry. */
  readonly hearsay?: true
}

export interface TargetDependencies {
  readonly registries: Registries
  readonly packuments: Packuments
  readonly index: VersionIndex
}

/** @throws CatalogError NOT_FOUND when the metadata names no such version, and what fetching the metadata may throw */
export async function locateArtifact(
  deps: TargetDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<ArtifactTarget> {
  const query = queryOf(deps.registries, request, viewer)
  const lazyUrl = async (): Promise<URL> =>
    tarballLocation(deps.registries, request, await deps.index.find(query))
  const asked = findDigest(request.integrity ?? '')
  if (asked !== undefined) return { digest: asked, hashes: undefined, url: lazyUrl }
  const known = await deps.index.find(query)
  if (known !== undefined) return toTarget(deps, request, known)
  const { name, version } = request
  const locked = version === undefined ? undefined : deps.index.lockfileDigest(name, version)
  if (locked !== undefined) {
    return { digest: locked, hashes: undefined, url: lazyUrl, hearsay: true }
  }
  const fetched = await fetchFacts(deps, request, viewer)
  return toTarget(deps, request, fetched)
}

/** What metadata says of the version, fetched anew if the document at hand does not have it. */
export async function fetchFacts(
  deps: TargetDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<VersionFacts> {
  const query = queryOf(deps.registries, request, viewer)
  const { name, client, upstream, signal } = request
  const version = request.version ?? request.file ?? 'that version'
  const isHere = async (): Promise<boolean> => (await deps.index.find(query)) !== undefined
  const wanted = { what: version, isHere }
  await deps.packuments.get({ name, kind: 'abbreviated', client, upstream, wanted, signal })
  const found = await deps.index.find(query)
  if (found !== undefined) return found
  throw new CatalogError('NOT_FOUND', `${name}@${version} is not in the registry's metadata`)
}

function toTarget(
  deps: TargetDependencies,
  request: ArtifactRequest,
  facts: VersionFacts,
): ArtifactTarget {
  const { digest, hashes } = hashesOf(facts)
  return {
    digest: digest ?? (hashes === undefined ? undefined : deps.index.digestOfHashes(hashes)),
    hashes,
    url: async () => tarballLocation(deps.registries, request, facts),
  }
}

function queryOf(registries: Registries, request: ArtifactRequest, viewer: Viewer): VersionQuery {
  const { name, version, file } = request
  const registry = registries.forName(name)?.url
  return { registry, name, version, file, owners: viewer.owners }
}

function tarballLocation(
  registries: Registries,
  request: ArtifactRequest,
  facts: VersionFacts | undefined,
): URL {
  const { name } = request
  const home = registries.homeOf(name)
  const listed = facts?.tarball ?? ''
  if (/^https?:/i.test(listed) && URL.canParse(listed))
    return registries.tarballPlace(home, new URL(listed))
  const version = request.version ?? facts?.version ?? ''
  const file = request.file ?? tarballFile(name, version)
  return new URL(`${home.url}${name}/-/${encodeURIComponent(file)}`)
}

/** True when upstream would not say whether it exists, or would not give it without (other) credentials. */
export function isRefusal(error: unknown): boolean {
  if (!isCatalogError(error, 'UPSTREAM_REJECTED')) return false
  const { status } = error.details
  return status === 401 || status === 403 || status === 404
}
