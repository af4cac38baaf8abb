/**
 * One client's access to one artifact: what was asked for, what that resolved to, for whom, and whether it is handled as public.
 * Also what every way of getting the bytes needs of it: the registry as an origin, and a note of what is bound to a name.
 */
import type { Digest } from '@catalog-p2p/core'
import type { Visibility } from '../packuments/cache/cached-document.ts'
import type { Viewer } from '../packuments/packument-service.ts'
import type { Registries } from '../upstream/registries.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { namedVersion, type ArtifactRequest, type ResolvedArtifact } from './artifact-target.ts'
import type { Bindings } from './bindings/bindings.ts'
import { createTarballOrigin, tarballCredentials, type TarballOrigin } from './tarball-origin.ts'

export interface ArtifactAccess {
  readonly request: ArtifactRequest
  readonly target: ResolvedArtifact
  readonly viewer: Viewer
  readonly visibility: Visibility
}

export interface AccessDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly bindings: Bindings
}

/** Fingerprint of the credentials that the access is made with. */
export function ownerOf({ viewer }: ArtifactAccess): string | undefined {
  return viewer.credentials?.fingerprint
}

/** The registry's tarball; undefined: no registry may be asked. */
export function originOf(
  { registries, upstream }: AccessDependencies,
  { request, target, viewer, visibility }: ArtifactAccess,
): TarballOrigin | undefined {
  const registry = registries.forName(request.name)
  if (registry === null || request.upstream === 'never') return undefined
  return createTarballOrigin(upstream, {
    url: target.url,
    visibility,
    credentialsFor: tarballCredentials(registries, registry, viewer.credentials),
    opened: target.early,
  })
}

/** Whether the registry is known to have `digest` under that name and version. */
export function isBound(
  { registries, bindings }: AccessDependencies,
  { request, target, viewer }: ArtifactAccess,
  digest: Digest,
): boolean {
  return target.isBound || bindings.has(namedVersion(registries, request, viewer), digest)
}

/** Notes that the registry has `digest` under that name and version. */
export function rememberBound(
  { registries, bindings }: AccessDependencies,
  { request, viewer }: ArtifactAccess,
  digest: Digest,
): void {
  if (request.upstream === 'never') return
  const named = namedVersion(registries, request, viewer)
  if (!bindings.has(named, digest)) bindings.add(named, digest)
}
