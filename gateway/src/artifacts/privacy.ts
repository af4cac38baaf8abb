/**
 * What may leave this machine, and who on this machine may see it. Public is what is proven to be (docs/decisions/
 * 0009-name-and-digest.md): what npm's registry, or one that the user calls public, has for everybody, and what npm has signed.
 * Everything else is private: never asked of peers nor offered to them, and a client gets it only with credentials that upstream
 * has accepted for it, or without any where upstream wants none.
 */
import { CatalogError, isCatalogError, type Digest } from '@catalog-p2p/core'
import type { RegistrySignatures } from '../keys/registry-signature.ts'
import type { VersionFacts } from '../packuments/version-lines.ts'
import type { Registry } from '../upstream/registries.ts'
import {
  fetchFacts,
  namedVersion,
  namesDigest,
  targetOf,
  type ArtifactRequest,
  type ArtifactTarget,
  type TargetDependencies,
} from './artifact-target.ts'
import type { Bindings } from './bindings.ts'
import type { Visibility } from '../packuments/cached-document.ts'
import type { PackumentCache } from '../packuments/packument-cache.ts'
import type { Viewer } from '../packuments/packuments.ts'
import type { PrivateArtifacts } from './private-artifacts.ts'
import { scopeOf } from '../http/route.ts'
import { discard, type Upstream } from '../upstream/upstream.ts'
import type { PublicNames } from './public-names.ts'
import { createUnsignedRegistries } from './unsigned-registries.ts'
import type { VersionDocuments } from './version-documents.ts'

export interface PrivacyDependencies extends TargetDependencies {
  readonly cache: PackumentCache
  readonly privates: PrivateArtifacts
  readonly upstream: Upstream
  readonly bindings: Bindings
  readonly documents: VersionDocuments
  readonly signatures: RegistrySignatures
  readonly publicNames: PublicNames
}

export interface Privacy {
  of(request: ArtifactRequest, target: ArtifactTarget, viewer: Viewer): Promise<Visibility>
  /** Whether it is more than that no credentials apply to a scope; of what `of` calls public. */
  isProven(name: string): boolean
  /** Whether everything of that name is public, as far as is known without asking. */
  readonly isKnownPublic: (name: string) => boolean
  /** Upstream would not give an artifact of this package without credentials after all, or that may have changed. */
  refused(name: string): void
  /** @throws CatalogError NOT_FOUND when the artifact is somebody else's */
  guard(digest: Digest, request: ArtifactRequest, viewer: Viewer): Promise<void>
}

/** A client waits for it, and for its tarball after that. */
const PROBE_TIMEOUT_MS = 10_000

export function createPrivacy(
  deps: PrivacyDependencies,
  options: { privateScopes: readonly string[] },
): Privacy {
  const { registries, packuments, cache, privates, upstream, bindings, publicNames } = deps
  const isMarked = createMarks(options.privateScopes)
  const unsigned = createUnsignedRegistries()

  function isProven(name: string): boolean {
    const home = registries.homeOf(name)
    if (!home.isPublic || scopeOf(name) === undefined) return true
    const isOpenly = cache.visibilityOf(home.url, name) === 'public'
    return isOpenly || publicNames.has(home.url, name)
  }

  function isMute(name: string, home: Registry): boolean {
    return registries.forName(name) === null || upstream.isDown(home.origin)
  }

  /** Whether somebody without credentials is given it by the public registry itself. */
  async function isOpen(request: ArtifactRequest, target: ArtifactTarget): Promise<boolean> {
    const { name, signal } = request
    const home = registries.homeOf(name)
    if (isMute(name, home)) return false
    const url = await target.url()
    if (url.origin !== home.origin) return false
    try {
      // A redirect is another one's word, and a page is no tarball.
      const response = await upstream.request({
        ...{ url, method: 'HEAD', retries: 0, followRedirects: false, certificate: false, signal },
        timeoutMs: PROBE_TIMEOUT_MS,
      })
      discard(response)
      const isPage = /^text\/html/i.test(response.headers['content-type'] ?? '')
      if (response.status !== 200 || isPage) return false
    } catch (error) {
      if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return false
      throw error
    }
    publicNames.add(home.url, name)
    return true
  }

  /** Whether npm has signed these bytes under this name. Of a scope that says who published it, not that anybody may have it. */
  async function isSigned(
    request: ArtifactRequest,
    target: ArtifactTarget,
    viewer: Viewer,
  ): Promise<boolean> {
    const { name } = request
    const { digest } = target
    if (digest === undefined || scopeOf(name) !== undefined) return false
    const named = namedVersion(registries, request, viewer)
    const known = bindings.signature(named, digest)
    if (known !== undefined) return known === 'valid'
    const facts = target.facts ?? (await askFacts(request, viewer))
    if (facts === undefined || !namesDigest(facts.integrity, digest)) return false
    const { version, integrity, signatures } = facts
    const isValid = await deps.signatures.isSigned({ name, version, integrity, signatures })
    const state = isValid ? 'valid' : 'none'
    // One that is missing may come yet: the registry, or what stands before it, did not pass it on this time.
    bindings.add(named, digest, signatures === '' ? undefined : state)
    unsigned.note(named.registry, name, isValid)
    return isValid
  }

  async function askFacts(
    request: ArtifactRequest,
    viewer: Viewer,
  ): Promise<VersionFacts | undefined> {
    const home = registries.homeOf(request.name)
    if (request.upstream === 'never' || isMute(request.name, home)) return undefined
    if (unsigned.has(home.url)) return undefined
    try {
      return await deps.documents.facts(request, viewer)
    } catch (error) {
      if (isCatalogError(error)) return undefined // it stays private; the artifact's own request will say why
      throw error
    }
  }

  return {
    refused: (name) => publicNames.remove(name),
    isProven,
    isKnownPublic(name) {
      const home = registries.homeOf(name)
      if (isMarked(name) || !home.isPublic || registries.isCertified(home)) return false
      if (isProven(name)) return true
      const known = cache.visibilityOf(home.url, name)
      return known === undefined && packuments.viewer(name, undefined).credentials === undefined
    },
    async of(request, target, viewer) {
      const { name } = request
      if (isMarked(name)) return 'private'
      const home = registries.homeOf(name)
      const known = cache.visibilityOf(home.url, name)
      // A hash that the client brings itself need not be of any package of that registry, which it wants left out.
      if (request.upstream === 'never' && request.integrity !== undefined) return known ?? 'public'
      // Nobody has looked at it without the certificate.
      if (registries.isCertified(home)) return 'private'
      if (!home.isPublic) return (await isSigned(request, target, viewer)) ? 'public' : 'private'
      if (isProven(name)) return 'public'
      if (viewer.credentials === undefined) return known ?? 'public'
      const canAsk = request.upstream !== 'never'
      return canAsk && (await isOpen(request, target)) ? 'public' : 'private'
    },
    async guard(digest, request, viewer) {
      const owner = viewer.credentials?.fingerprint
      if (!privates.isForeign(digest, owner)) return
      // Only metadata that upstream shows to this client proves that it may have these very bytes.
      const facts = await fetchFacts(deps, request, viewer)
      if (targetOf(deps, request, facts).digest !== digest) {
        throw new CatalogError('NOT_FOUND', `${request.name}: not these bytes`)
      }
      if (owner !== undefined) privates.grant(digest, owner)
    },
  }
}

/** Scopes, with their `@`, and names of packages, in any case. */
export function createMarks(marks: readonly string[]): (name: string) => boolean {
  const marked = new Set(marks.map((mark) => mark.toLowerCase()))
  return (name) => {
    const lower = name.toLowerCase()
    return marked.has(lower) || marked.has(scopeOf(lower) ?? '')
  }
}
