/**
 * What may leave this machine, and who on this machine may see it. Private is: a scope marked so, and whatever needed
 * credentials, its metadata or its bytes, a client certificate included. Private artifacts are never asked of peers nor offered to them, and a client
 * gets one only with credentials that upstream has accepted for it.
 */
import { CatalogError, findDigest, isCatalogError, type Digest } from '@catalog-p2p/core'
import {
  fetchFacts,
  type ArtifactRequest,
  type ArtifactTarget,
  type TargetDependencies,
} from './artifact-target.ts'
import type { PackumentCache, Visibility } from '../packuments/packument-cache.ts'
import type { Viewer } from '../packuments/packuments.ts'
import type { PrivateArtifacts } from './private-artifacts.ts'
import { scopeOf } from '../http/route.ts'
import { discard, type Upstream } from '../upstream/upstream.ts'
import { createUsedRows } from './used-rows.ts'

export interface PrivacyDependencies extends TargetDependencies {
  readonly cache: PackumentCache
  readonly privates: PrivateArtifacts
  readonly upstream: Upstream
}

export interface Privacy {
  of(request: ArtifactRequest, target: ArtifactTarget, viewer: Viewer): Promise<Visibility>
  /** Upstream would not give an artifact of this package without credentials after all, or that may have changed. */
  refused(name: string): void
  /** @throws CatalogError NOT_FOUND when the artifact is somebody else's */
  guard(digest: Digest, request: ArtifactRequest, viewer: Viewer): Promise<void>
}

/** About a hundred bytes each. */
const MAX_PUBLIC_NAMES = 200_000

export function createPrivacy(
  deps: PrivacyDependencies,
  options: { privateScopes: readonly string[] },
): Privacy {
  const { registries, packuments, cache, privates, upstream } = deps
  const marked = new Set(options.privateScopes.map((scope) => scope.toLowerCase()))
  // A name that is forgotten is looked up once more.
  const publicNames = createUsedRows(cache.database, {
    ...{ table: 'public_names', columns: ['registry', 'name'], maxRows: MAX_PUBLIC_NAMES },
    now: Date.now,
  })

  /** Credentials would apply, and nothing is known of the package: see what upstream says to somebody without them. */
  async function findOut(request: ArtifactRequest, target: ArtifactTarget): Promise<Visibility> {
    const { name, client, signal } = request
    const home = registries.homeOf(name)
    // There is nothing private without a scope on npm's public registry.
    if (home.isPublicDefault && scopeOf(name) === undefined) return 'public'
    // With upstream out of reach: on the public registry nearly everything is public; a company's registry is another matter.
    const guess = home.isPublicDefault ? 'public' : 'private'
    const isMute = registries.forName(name) === null || request.upstream === 'never'
    if (isMute || upstream.isDown(home.origin)) return guess
    try {
      // Cheaper than metadata, which `npm ci` does without.
      if (await isOpen(await target.url(), signal)) {
        publicNames.add(home.url, name)
        return 'public'
      }
      const { document } = await packuments.get({ name, kind: 'abbreviated', client, signal })
      return document.owner === '' ? 'public' : 'private'
    } catch (error) {
      if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return guess
      if (isCatalogError(error, 'UPSTREAM_REJECTED')) return 'private'
      throw error
    }
  }

  async function isOpen(url: URL, signal: AbortSignal): Promise<boolean> {
    const response = await upstream.request({ url, method: 'HEAD', retries: 0, signal })
    discard(response)
    return response.status === 200
  }

  return {
    refused: (name) => publicNames.removeSecond(name),
    async of(request, target, viewer) {
      const scope = scopeOf(request.name)
      if (scope !== undefined && marked.has(scope.toLowerCase())) return 'private'
      const home = registries.homeOf(request.name)
      // A hash that the client brings itself need not be of any package of that registry, which it wants left out.
      const isForPeers = request.upstream === 'never' && request.integrity !== undefined
      // Nobody has looked at it without the certificate.
      if (registries.isCertified(home) && !isForPeers) return 'private'
      const { url } = home
      const known = cache.visibilityOf(url, request.name)
      if (known !== undefined) return known
      if (viewer.credentials === undefined || isForPeers) return 'public'
      return publicNames.has(url, [request.name]) ? 'public' : findOut(request, target)
    },
    async guard(digest, request, viewer) {
      const owner = viewer.credentials?.fingerprint
      if (!privates.isForeign(digest, owner)) return
      // Only metadata that upstream shows to this client proves that it may have these very bytes.
      const facts = await fetchFacts(deps, request, viewer)
      if (findDigest(facts.integrity) !== digest) {
        throw new CatalogError('NOT_FOUND', `${request.name}: not these bytes`)
      }
      if (owner !== undefined) privates.grant(digest, owner)
    },
  }
}
