/**
 * Artifacts for HTTP clients: finds the digest, decides whether peers may hear of it and whether this client may have it, then
 * asks the node with the registry as origin. Every byte that comes out has been checked by the node, or here against whatever
 * hashes an old package has. Answers no HTTP itself (tarball.ts does).
 */
import { isCatalogError, type Artifact, type CatalogNode } from '@catalog-p2p/core'
import type { ArtifactAccess } from './artifact-access.ts'
import {
  isRefusal,
  locateArtifact,
  targetOf,
  type ArtifactRequest,
  type ResolvedArtifact,
  type LocateDependencies,
} from './artifact-target.ts'
import { OtherBytes } from './bindings/binding-check.ts'
import { fetchByDigest } from './fetch-by-digest.ts'
import { fetchShared, type SharedRequest } from './fetch-shared.ts'
import { UnhashedArtifacts } from './fetch-unhashed.ts'
import { GuardedArtifacts, type GuardedArtifactsDependencies } from './guarded-artifacts.ts'
import { createNamedRecords } from './records/named-records.ts'
import { createPrivacy, type Privacy, type PrivacyDependencies } from './visibility/privacy.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { SignaturePolicy } from '../guard/signature-policy.ts'
import type { TrustedKeys } from '../keys/trusted-keys.ts'
import type { Visibility } from '../packuments/cache/cached-document.ts'
import type { Viewer } from '../packuments/packument-service.ts'
import type { PeerEvidence } from '../packuments/peers/peer-evidence.ts'
import type { TarballCheck } from '../packuments/peers/tarball-check.ts'
import { RequiredSignatures } from './records/required-signatures.ts'
import type { VersionDocuments } from './versions/version-documents.ts'
import { createTarballWitness } from './bindings/tarball-witness.ts'

export interface Artifacts {
  /** @throws CatalogError of every kind; respond.ts makes HTTP of it */
  get(request: ArtifactRequest): Promise<{ artifact: Artifact; visibility: Visibility }>
  /** By its hash alone, from the store or peers. @throws CatalogError NOT_FOUND, DENIED */
  getShared(request: SharedRequest): Promise<Artifact>
  /** Nothing, where `get` might succeed. @throws CatalogError DENIED when the guard does not give it out */
  admit(request: ArtifactRequest): Promise<void>
  /** Its record is here when this has resolved, if its registry has signed it. */
  ensureRecord(request: ArtifactRequest): Promise<void>
  /** Whether everything of that name is public, as far as is known without asking. */
  readonly isKnownPublic: Privacy['isKnownPublic']
  /** Whether anyone may see a package is found out anew. */
  forgetVisibility(name: string): void
  /** Which bytes its versions are is found out anew. */
  forgetVersions(name: string): void
}

export interface ArtifactsDependencies
  extends
    PrivacyDependencies,
    GuardedArtifactsDependencies,
    Omit<LocateDependencies, 'recentFacts' | 'askFacts' | 'named'> {
  readonly node: CatalogNode
  readonly documents: VersionDocuments
  readonly trustedKeys: TrustedKeys
  readonly signaturePolicy: (registry: string) => SignaturePolicy
  readonly tarballCheck: TarballCheck
  readonly evidence: Pick<PeerEvidence, 'refusal' | 'forged'>
}

export function createArtifacts(
  deps: ArtifactsDependencies,
  options: Pick<
    ParsedGatewayOptions,
    'privateScopes' | 'shareScopes' | 'unboundDigests' | 'fallbackUpstream'
  >,
): Artifacts {
  const { upstream, packuments, bindings, documents } = deps
  const privacy = createPrivacy(deps, options)
  const named = createNamedRecords({ ...deps, isKnownPublic: privacy.isKnownPublic })
  const locating = { ...deps, named, recentFacts: documents.recent, askFacts: documents.fetch }
  const fetching = { ...deps, privacy, named, witness: createTarballWitness(upstream) }
  const unhashed = new UnhashedArtifacts(deps)
  const guarded = new GuardedArtifacts(deps)
  const signatures = new RequiredSignatures(deps)

  function fetch(access: ArtifactAccess): Promise<Artifact> {
    const { digest } = access.target
    return digest === undefined
      ? unhashed.fetch(access)
      : fetchByDigest(fetching, options, { ...access, digest })
  }

  async function getTarget(
    request: ArtifactRequest,
    target: ResolvedArtifact,
    viewer: Viewer,
  ): ReturnType<Artifacts['get']> {
    guarded.admitBytes(request, target.digest)
    await signatures.check(request, target, viewer)
    const fetchAs = async (visibility: Visibility): ReturnType<Artifacts['get']> => {
      const artifact = await fetch({ request, target, viewer, visibility })
      return { artifact, visibility }
    }
    const visibility = await privacy.of(request, target, viewer)
    if (visibility === 'private' || viewer.credentials === undefined) return fetchAs(visibility)
    try {
      return await fetchAs('public')
    } catch (error) {
      if (!isRefusal(error)) throw error
      // Nobody gets it without credentials, so it is private, whatever its name looked like.
      privacy.forgetPublic(request.name)
      return fetchAs('private')
    }
  }

  /** Why bytes are nowhere of which only a lie of a peer has told. */
  function explained({ name }: ArtifactRequest): (error: unknown) => never {
    return (error) => {
      throw (isNowhere(error) ? deps.evidence.refusal(name) : undefined) ?? error
    }
  }

  return {
    isKnownPublic: privacy.isKnownPublic,
    getShared: (request) => fetchShared(deps, request),
    ensureRecord: (request) =>
      named.ensure(request, packuments.viewer(request.name, request.client)),
    forgetVisibility: (name) => privacy.forgetPublic(name),
    forgetVersions(name) {
      bindings.forget(name)
      documents.forget(name)
    },
    admit: (request) => guarded.admit(request, packuments.viewer(request.name, request.client)),
    async get(request) {
      const viewer = packuments.viewer(request.name, request.client)
      await guarded.admit(request, viewer)
      const target = await locateArtifact(locating, request, viewer).catch(explained(request))
      request.onLocated?.()
      try {
        const found = await getTarget(request, target, viewer)
          .catch((error: unknown) => {
            if (!(error instanceof OtherBytes)) throw error
            return getTarget(request, targetOf(deps, request, error.facts), viewer)
          })
          .catch(explained(request))
        const checked = await deps.tarballCheck.checked(found.artifact, request)
        const isNameless = request.integrity !== undefined && isAlone(deps, request)
        const artifact = isNameless ? await guarded.admitNameless(checked, request) : checked
        return { ...found, artifact }
      } finally {
        target.early?.release()
      }
    },
  }
}

function isNowhere(error: unknown): boolean {
  return isCatalogError(error, 'UPSTREAM_UNREACHABLE') || isCatalogError(error, 'NOT_FOUND')
}

/** Whether nobody can say which bytes a version is, but for what is known already. */
function isAlone(
  { registries, upstream }: Pick<ArtifactsDependencies, 'registries' | 'upstream'>,
  { name, upstream: asked }: ArtifactRequest,
): boolean {
  const registry = registries.forName(name)
  return asked === 'never' || registry === null || upstream.isDown(registry.origin)
}
