/**
 * What may leave this machine, and who on this machine may see it. Public is what is proven to be
 * (docs/decisions/0009-name-and-digest.md): what npm's registry, or one that the user calls public, has for everybody, and what
 * npm has signed. Everything else is private: never asked of peers nor offered to them, and a client gets it only with
 * credentials that upstream has accepted for it, or without any where upstream wants none.
 */
import { CatalogError, type Digest } from '@catalog-p2p/core'
import { scopeOf } from '../../http/route.ts'
import type { Visibility } from '../../packuments/cache/cached-document.ts'
import type { Viewer } from '../../packuments/packument-service.ts'
import {
  fetchFacts,
  targetOf,
  type ArtifactRequest,
  type ResolvedArtifact,
  type TargetDependencies,
} from '../artifact-target.ts'
import type { PrivateArtifacts } from './private-artifacts.ts'
import { PublicProofs, type PublicProofsDependencies } from './public-proofs.ts'

export interface PrivacyDependencies extends TargetDependencies, PublicProofsDependencies {
  readonly privateAccess: PrivateArtifacts
}

export interface Privacy {
  of(request: ArtifactRequest, target: ResolvedArtifact, viewer: Viewer): Promise<Visibility>
  /** Of names that `of` calls public: whether that is more than that no credentials apply to their scope. */
  readonly isProven: (name: string) => boolean
  /** Whether all machines of the private swarm may have it, whoever may not. */
  readonly isShared: (name: string) => boolean
  /** Whether everything of that name is public, as far as is known without asking. */
  readonly isKnownPublic: (name: string) => boolean
  /** Upstream would not give an artifact of this package without credentials after all, or that may have changed. */
  forgetPublic(name: string): void
  /** @throws CatalogError NOT_FOUND when the artifact is somebody else's */
  guard(digest: Digest, request: ArtifactRequest, viewer: Viewer): Promise<void>
}

export function createPrivacy(
  deps: PrivacyDependencies,
  options: { privateScopes: readonly string[]; shareScopes: readonly string[] },
): Privacy {
  const { registries, packuments, cache, privateAccess, publicNames } = deps
  const markOf = createMarkOf(options)
  const isShared = (name: string): boolean => markOf(name) === 'shared'
  const proofs = new PublicProofs(deps)

  return {
    forgetPublic: (name) => publicNames.remove(name),
    isProven: (name) => proofs.isProven(name),
    isShared,
    isKnownPublic(name) {
      if (markOf(name) !== undefined || !registries.hasHome(name)) return false
      const home = registries.homeOf(name)
      if (!home.isPublic || registries.isCertified(home)) return false
      if (proofs.isProven(name)) return true
      const known = cache.visibilityOf(home.url, name)
      return known === undefined && packuments.viewer(name, undefined).credentials === undefined
    },
    async of(request, target, viewer) {
      const { name } = request
      const mark = markOf(name)
      if (mark !== undefined) return mark === 'shared' ? 'public' : 'private'
      const home = registries.homeOf(name)
      const known = (): Visibility => cache.visibilityOf(home.url, name) ?? 'public'
      // A hash that the client brings itself need not be of any package of the registry that it wants left out.
      if (request.upstream === 'never' && request.integrity !== undefined) return known()
      // It was never read without the certificate.
      if (registries.isCertified(home)) return 'private'
      if (!home.isPublic)
        return (await proofs.isSigned(request, target, viewer)) ? 'public' : 'private'
      if (proofs.isProven(name)) return 'public'
      if (viewer.credentials === undefined) return known()
      const canAsk = request.upstream !== 'never'
      return canAsk && (await proofs.isPubliclyReadable(request, target)) ? 'public' : 'private'
    },
    async guard(digest, request, viewer) {
      const owner = viewer.credentials?.fingerprint
      if (!privateAccess.isDenied(digest, owner)) return
      // Only metadata that upstream shows to this client proves that it may have these very bytes.
      const facts = await fetchFacts(deps, request, viewer)
      if (targetOf(deps, request, facts).digest !== digest) {
        throw new CatalogError('NOT_FOUND', `${request.name}: not these bytes`)
      }
      if (owner !== undefined) privateAccess.grant(digest, owner)
    },
  }
}

/** Names that never reach a peer: private scopes and packages, but those that all members of the private swarm may have. */
export function createPrivateNames(options: MarkedScopes): (name: string) => boolean {
  const markOf = createMarkOf(options)
  return (name) => markOf(name) === 'private'
}

export interface MarkedScopes {
  readonly privateScopes: readonly string[]
  /** In a private swarm. What this machine's user has marked private is in it only if that user says so (configured-swarm.ts). */
  readonly shareScopes: readonly string[]
}

/**
 * What the user's marks say of a name; undefined: nothing. A package's own mark counts before that of its scope, and of the same scope or
 * package listed as both, that it is shared.
 */
export function createMarkOf({
  privateScopes,
  shareScopes,
}: MarkedScopes): (name: string) => 'private' | 'shared' | undefined {
  const marks = new Map<string, 'private' | 'shared'>()
  for (const mark of privateScopes) marks.set(mark.toLowerCase(), 'private')
  for (const mark of shareScopes) marks.set(mark.toLowerCase(), 'shared')
  return (name) => {
    if (marks.size === 0) return undefined
    const lower = name.toLowerCase()
    return marks.get(lower) ?? marks.get(scopeOf(lower) ?? '')
  }
}

/** Scopes, with their `@`, and names of packages, in any case. */
export function createMarks(marks: readonly string[]): (name: string) => boolean {
  const marked = new Set(marks.map((mark) => mark.toLowerCase()))
  if (marked.size === 0) return () => false
  return (name) => {
    const lower = name.toLowerCase()
    return marked.has(lower) || marked.has(scopeOf(lower) ?? '')
  }
}
