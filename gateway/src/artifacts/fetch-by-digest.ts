/**
 * An artifact whose digest is known: from the store, from peers where it is public, or from the registry. Decides first whether
 * this client may have the bytes, and checks beside the download that the registry has them under that name, unless that is known.
 * Never marks anything public that is not proven to be.
 */
import type { Artifact, CatalogNode, Digest } from '@catalog-p2p/core'
import type { ParsedGatewayOptions } from '../options.ts'
import { withoutUser } from '../upstream/registries.ts'
import { isRefusal, namedVersion } from './artifact-target.ts'
import {
  isBound,
  originOf,
  ownerOf,
  rememberBound,
  type AccessDependencies,
  type ArtifactAccess,
} from './artifact-access.ts'
import { whenRead } from './sending/artifact-end.ts'
import {
  createBindingCheck,
  type BindingCheck,
  type BindingCheckDependencies,
} from './bindings/binding-check.ts'
import { withFallback } from './fallback-origin.ts'
import type { NamedRecords } from './records/named-records.ts'
import type { Privacy } from './visibility/privacy.ts'
import type { PrivateArtifacts } from './visibility/private-artifacts.ts'
import type { PublicNames } from './visibility/public-names.ts'
import type { TarballOrigin } from './tarball-origin.ts'

export interface FetchByDigestDependencies extends AccessDependencies, BindingCheckDependencies {
  readonly node: CatalogNode
  readonly privacy: Privacy
  readonly privateAccess: PrivateArtifacts
  readonly publicNames: PublicNames
  readonly named: Pick<NamedRecords, 'note' | 'known' | 'delegated'>
}

export interface DigestAccess extends ArtifactAccess {
  readonly digest: Digest
}

interface Attempt extends DigestAccess {
  /** undefined: the registry is known to have these bytes under that name. */
  readonly check: BindingCheck | undefined
  readonly origin: TarballOrigin | undefined
}

const SHARED_RETRIES = 2

/** @throws CatalogError, OtherBytes when the registry has other bytes under that name */
export async function fetchByDigest(
  deps: FetchByDigestDependencies,
  options: Pick<ParsedGatewayOptions, 'unboundDigests' | 'fallbackUpstream'>,
  access: DigestAccess,
): Promise<Artifact> {
  const { request, viewer, digest } = access
  const newOrigin = (): TarballOrigin | undefined => originOf(deps, access)
  for (let tries = 0; ; tries += 1) {
    const check = isBound(deps, access, digest)
      ? undefined
      : createBindingCheck(deps, options, { request, viewer, digest, origin: newOrigin })
    await admit(deps, access, check)
    const origin = orFallback(deps, options, { ...access, origin: newOrigin() })
    try {
      return await attempt(deps, { ...access, check, origin })
    } catch (error) {
      // A download shared with another request failed for that one's credentials: that says nothing about ours.
      const isOthers = origin?.asked === false && isRefusal(error)
      if (!isOthers || tries >= SHARED_RETRIES) throw error
    }
  }
}

/** The second registry hears of no name that the first one has not for everybody. */
function orFallback(
  { upstream, privacy }: FetchByDigestDependencies,
  { fallbackUpstream }: Pick<ParsedGatewayOptions, 'fallbackUpstream'>,
  { request, visibility, origin }: Pick<Attempt, 'request' | 'visibility' | 'origin'>,
): TarballOrigin | undefined {
  const { name, version } = request
  if (fallbackUpstream === undefined || version === undefined) return origin
  const mayHear = visibility === 'public' && request.upstream !== 'never'
  if (!mayHear || !privacy.isKnownPublic(name)) return origin
  return withFallback(upstream, origin, { base: withoutUser(fallbackUpstream), name, version })
}

/**
 * Nobody gets bytes that are kept as private for somebody else, unless they are proven to be public under this name.
 * @throws CatalogError NOT_FOUND, OtherBytes
 */
async function admit(
  deps: FetchByDigestDependencies,
  access: DigestAccess,
  check: BindingCheck | undefined,
): Promise<void> {
  const { request, viewer, visibility, digest } = access
  if (!deps.privateAccess.isDenied(digest, ownerOf(access))) return
  // Where the registry has these very bytes under a public name, it does not matter whose they are elsewhere.
  if (visibility === 'public') await check?.done()
  if (isProvenPublic(deps, access) && isBound(deps, access, digest)) return
  await deps.privacy.guard(digest, request, viewer)
}

async function attempt(deps: FetchByDigestDependencies, access: Attempt): Promise<Artifact> {
  const { request, visibility, digest, check, origin } = access
  const release = markArrival(deps, access)
  try {
    if (deps.node.has(digest)) check?.begin()
    const hasRegistry = deps.registries.forName(request.name) !== null
    const mayDelegate = hasRegistry && visibility === 'public' && !deps.node.has(digest)
    const fetchAs = mayDelegate ? deps.named.delegated(request) : undefined
    const getting = deps.node.get(digest, {
      signal: request.signal,
      peers: visibility === 'public',
      ...(origin && { origin }),
      ...(fetchAs && { fetchAs }),
    })
    // A delegate sends the registry's signature with the bytes, which spares the question.
    if (check !== undefined && fetchAs === undefined) whenOthersAreAsked(origin, check.begin)
    const artifact = await getting
    const isOrigins = artifact.source === 'origin' && origin?.asked === true
    // What the registry itself gave under that name needs no check.
    const verdict = isOrigins ? undefined : check?.done(artifact.size)
    // With all the bytes at hand there still is the chance to answer with something else.
    if (artifact.bytes !== undefined) await verdict
    return whenRead(artifact, {
      check: verdict && (() => verdict),
      complete: () => noteOutcome(deps, access, isOrigins),
      release,
    })
  } catch (error) {
    release()
    throw error
  }
}

/** Nobody else may join the download of a private artifact unasked, from before its first byte until the returned call. */
function markArrival(
  { privateAccess }: FetchByDigestDependencies,
  { request, visibility, digest }: DigestAccess,
): () => void {
  if (visibility === 'public') return () => undefined
  const release = privateAccess.beginPrivate(digest)
  // The body may never be read (HEAD, a client that left).
  request.signal.addEventListener('abort', release, { once: true })
  return release
}

/**
 * Begins the check while peers are asked. An origin that is the only one asked is opened at once, and what it gives needs no
 * check, so it gets its chance first. When the check begins decides only how long the end of an answer waits for it.
 */
function whenOthersAreAsked(origin: TarballOrigin | undefined, begin: BindingCheck['begin']): void {
  setImmediate(() => {
    if (origin?.asked !== true) begin()
  })
}

/** What a complete artifact has shown: that its name is public, that these are its bytes, who may have them. */
function noteOutcome(deps: FetchByDigestDependencies, access: Attempt, isOrigins: boolean): void {
  const { node, registries, privacy, privateAccess, publicNames, bindings } = deps
  const { request, target, viewer, visibility, digest, origin } = access
  if (visibility === 'public' && request.upstream !== 'never') {
    const home = registries.homeOf(request.name)
    const isOpenly = isOrigins && origin?.givenTo === 'anyone' && home.isPublic
    if (isOpenly && !privacy.isProven(request.name)) publicNames.add(home.url, request.name)
  }
  const isBoundNow = isOrigins || target.isBound
  if (isBoundNow && target.isNoted !== true) rememberBound(deps, access, digest)
  if (isProvenPublic(deps, access)) {
    // It may have been kept as private for somebody else, or since nothing was known of its name.
    const isNamed = isBoundNow || bindings.has(namedVersion(registries, request, viewer), digest)
    if (isNamed) node.setVisibility(digest, 'public')
    if (isNamed) deps.named.note(access, digest)
  }
  if (visibility === 'public') return
  const owner = ownerOf(access)
  if (origin?.givenTo === 'anyone') privateAccess.grant(digest, '')
  else if (origin?.givenTo === 'owner' && owner !== undefined) privateAccess.grant(digest, owner)
}

/** For everybody who can be a peer of this node. */
function isProvenPublic(
  { privacy }: FetchByDigestDependencies,
  { request, visibility }: DigestAccess,
): boolean {
  if (visibility !== 'public' || request.upstream === 'never') return false
  return privacy.isProven(request.name) || privacy.isShared(request.name)
}
