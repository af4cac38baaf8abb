/**
 * What a tarball request is really after: the digest that the registry has under that name and version. What the client says
 * (npm's `pacote-integrity`) picks among the registry's own bytes and never others: it counts where metadata at hand agrees,
 * else until somebody has been asked (binding-check.ts). And where upstream keeps it.
 */
import { CatalogError, isCatalogError, type Digest, type Logger } from '@catalog-p2p/core'
import { tarballFile } from '../packuments/client-policy.ts'
import type { Packuments, Viewer } from '../packuments/packument-service.ts'
import type { PeerEvidence } from '../packuments/peers/peer-evidence.ts'
import type { Registries } from '../upstream/registries.ts'
import type { VersionIndex, VersionQuery } from '../packuments/version-index.ts'
import type { VersionFacts } from '../packuments/document/version-lines.ts'
import type { ArtifactRequest } from './artifact-request.ts'
import type { Bindings, NamedVersion } from './bindings/bindings.ts'
import type { EarlyTarball, EarlyTarballs } from './early-tarballs.ts'
import type { RecordLookup } from './records/record-lookup.ts'
import { withinMs } from './within-ms.ts'
import { hashesOf, namesDigest } from './versions/version-hashes.ts'

export type { ArtifactRequest } from './artifact-request.ts'

export interface ResolvedArtifact {
  readonly digest: Digest | undefined
  /** What its bytes must match where there is no digest, as Subresource Integrity; undefined: its registry names no hash. */
  readonly hashes: string | undefined
  /** Looked up only when upstream is asked. */
  readonly url: () => Promise<URL>
  /** What the registry says of the version, where it was at hand. */
  readonly facts: VersionFacts | undefined
  /** The registry has these bytes under this name, or none is meant; false: only the client says so. */
  readonly isBound: boolean
  /** It is known from the table of bindings, which need not be told. */
  readonly isNoted?: boolean
  /** Its bytes, asked of the registry already; whoever has located the artifact releases it. */
  readonly early?: EarlyTarball
}

export interface TargetDependencies {
  readonly registries: Registries
  readonly packuments: Packuments
  readonly index: VersionIndex
}

export interface LocateDependencies extends TargetDependencies {
  readonly named: RecordLookup
  readonly bindings: Bindings
  readonly early: Pick<EarlyTarballs, 'open' | 'join'>
  /** What the registry says of a version that nothing is known of. */
  readonly askFacts: (request: ArtifactRequest, viewer: Viewer) => Promise<VersionFacts>
  /** What a registry said of a version a moment ago. */
  readonly recentFacts: (request: ArtifactRequest, viewer: Viewer) => VersionFacts | undefined
  readonly evidence: Pick<PeerEvidence, 'forged'>
  readonly log: Logger
}

/** What peers that list a version get of the time of a request, before the registry is asked beside them. */
const PEERS_FIRST_MS = 150
/** There is nobody to ask. */
const NOBODY = Promise.resolve(undefined)

/** @throws CatalogError NOT_FOUND when the metadata names no such version, and what fetching the metadata may throw */
export async function locateArtifact(
  deps: LocateDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<ResolvedArtifact> {
  const asked = request.integrity
  const target = await (asked === undefined
    ? locateNamed(deps, request, viewer)
    : locateAsked(deps, request, { asked, viewer }))
  if (target.early !== undefined || request.upstream === 'never') return target
  // Another request may have opened it: two downloads of one tarball would be two copies.
  const early = deps.early.join({ ...request, viewer })
  return early === undefined ? target : { ...target, early }
}

async function locateNamed(
  deps: LocateDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<ResolvedArtifact> {
  const query = queryOf(deps.registries, request, viewer)
  const known = (await deps.index.find(query)) ?? deps.recentFacts(request, viewer)
  if (known !== undefined) return targetOf(deps, request, known)
  const bound = deps.bindings.digestOf(namedVersion(deps.registries, request, viewer))
  const digest = bound ?? deps.named.known(request)
  if (digest !== undefined) return boundTarget(deps, request, { viewer, digest })
  return await askPeersAndRegistry(deps, request, viewer)
}

/**
 * Peers that list the version by its name, and the registry when they have had a moment: the first that says which bytes it
 * is. Where no peer lists it the registry is asked at once, for the bytes as well.
 */
async function askPeersAndRegistry(
  deps: LocateDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<ResolvedArtifact> {
  const canAsk = deps.registries.forName(request.name) !== null && request.upstream !== 'never'
  // A delegate is at the registry for all, and says so: no point in going there as well.
  const isPatient = !canAsk || deps.named.isFetchedByName(request)
  const hasSomebody = isPatient || deps.named.isListed(request)
  const asking = hasSomebody ? deps.named.resolve(request, { fetch: canAsk }) : NOBODY
  const digest = await (isPatient || !hasSomebody ? asking : withinMs(PEERS_FIRST_MS, asking))
  if (digest !== undefined) return boundTarget(deps, request, { viewer, digest })
  const asked = deps.askFacts(request, viewer)
  // Of what a peer has, or a delegate is at though it was late, the registry need only say which bytes it is.
  const mayOpen = canAsk && !isPatient && !deps.named.isListed(request)
  const opened = mayOpen ? deps.early.open({ ...request, viewer }) : undefined
  const early = opened && { early: opened }
  const fromRegistry = asked.then(async (facts): Promise<ResolvedArtifact> => {
    const target = targetOf(deps, request, facts)
    opened?.placed(await target.url())
    return { ...target, ...early }
  })
  const fromPeers = asking.then((digest) => {
    if (digest === undefined) return fromRegistry
    return { ...boundTarget(deps, request, { viewer, digest }), ...early }
  })
  try {
    return await Promise.any([fromRegistry, fromPeers]).catch(() => fromRegistry)
  } catch (error) {
    opened?.release()
    throw error
  }
}

/** The registry is known to have these bytes under that name. */
function boundTarget(
  deps: TargetDependencies,
  request: ArtifactRequest,
  known: { viewer: Viewer; digest: Digest },
): ResolvedArtifact {
  return { ...byDigest(deps, request, known), isBound: true }
}

async function locateAsked(
  deps: LocateDependencies,
  request: ArtifactRequest,
  { asked, viewer }: { asked: Digest; viewer: Viewer },
): Promise<ResolvedArtifact> {
  const target = byDigest(deps, request, { viewer, digest: asked })
  if (request.upstream === 'never') {
    // Bytes by their hash, of no registry in particular; but the client may have it from a peer, whose words are looked at here.
    await factsAtHand(deps, request, viewer)
    const lie = deps.evidence.forged(request.name, asked)
    if (lie !== undefined) throw lie
    return { ...target, isBound: true }
  }
  if (deps.bindings.has(namedVersion(deps.registries, request, viewer), asked)) {
    return { ...target, isBound: true, isNoted: true }
  }
  const known = (await factsAtHand(deps, request, viewer)) ?? deps.recentFacts(request, viewer)
  if (known === undefined) {
    // What the registry has signed says as much as the registry, and spares the question.
    const signed =
      deps.named.known(request) ??
      (deps.named.isListed(request)
        ? await withinMs(PEERS_FIRST_MS, deps.named.resolve(request))
        : undefined)
    return signed === asked ? { ...target, isBound: true } : target
  }
  if (namesDigest(known.integrity, asked)) return { ...target, facts: known, isBound: true }
  const facts = await renewed(deps, request, { viewer, known })
  if (namesDigest(facts.integrity, asked)) return { ...target, facts, isBound: true }
  const theirs = targetOf(deps, request, facts)
  // Of an old package the registry knows no sha512: its own hashes decide, and the client checks what it wants.
  const isOther = theirs.digest !== undefined && theirs.digest !== asked
  if (isOther) warnOfMismatch(deps, request, asked)
  return theirs
}

/** The client gets what the registry has, and finds out by itself that this is not what it wanted. */
export function warnOfMismatch(
  { log, registries }: { log: Logger; registries: Registries },
  request: ArtifactRequest,
  asked: Digest,
): void {
  const { name, version = request.file } = request
  log.warn('binding.mismatch', {
    ...{ name, version, registry: registries.homeOf(name).url, asked },
    next: 'the registry has other bytes under that version, and the client gets those: look who changed its lockfile',
  })
}

/** As `viewer` is told of it: a registry that is not public may have something else under that name for others. */
export function namedVersion(
  registries: Registries,
  request: ArtifactRequest,
  viewer: Viewer,
): NamedVersion {
  const { name, version, file = '' } = request
  const home = registries.homeOf(name)
  const owner = home.isPublic ? '' : (viewer.credentials?.fingerprint ?? '')
  return { registry: home.url, owner, name, version: version ?? file }
}

/** A version may have been published anew since. */
async function renewed(
  deps: LocateDependencies,
  request: ArtifactRequest,
  { viewer, known }: { viewer: Viewer; known: VersionFacts },
): Promise<VersionFacts> {
  if (deps.registries.forName(request.name) === null) return known
  try {
    return await fetchFacts(deps, request, viewer, { revalidate: true })
  } catch (error) {
    if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return known
    throw error
  }
}

/** What metadata says of the version, fetched anew if the document at hand does not have it. */
export async function fetchFacts(
  deps: TargetDependencies,
  request: ArtifactRequest,
  viewer: Viewer,
  { revalidate = false }: { revalidate?: boolean } = {},
): Promise<VersionFacts> {
  const query = queryOf(deps.registries, request, viewer)
  const { name, client, upstream, signal } = request
  const version = request.version ?? request.file ?? 'that version'
  const isHere = async (): Promise<boolean> => (await deps.index.find(query)) !== undefined
  const ask = { name, kind: 'abbreviated', client, upstream, revalidate, signal } as const
  await deps.packuments.get({ ...ask, wanted: { what: version, isHere } })
  const found = await deps.index.find(query)
  if (found !== undefined) return found
  throw new CatalogError('NOT_FOUND', `${name}@${version} is not in the registry's metadata`)
}

/** What the registry's metadata says is the target. */
export function targetOf(
  deps: TargetDependencies,
  request: ArtifactRequest,
  facts: VersionFacts,
): ResolvedArtifact {
  const { digest, hashes } = hashesOf(facts)
  return {
    digest: digest ?? (hashes === undefined ? undefined : deps.index.digestOfHashes(hashes)),
    hashes,
    ...{ facts, isBound: true },
    url: async () => tarballLocation(deps.registries, request, facts),
  }
}

function byDigest(
  deps: TargetDependencies,
  request: ArtifactRequest,
  { viewer, digest }: { viewer: Viewer; digest: Digest },
): ResolvedArtifact {
  const url = async (): Promise<URL> =>
    tarballLocation(deps.registries, request, await factsAtHand(deps, request, viewer))
  return { digest, hashes: undefined, url, facts: undefined, isBound: false }
}

/** What metadata that is at hand says of the version. */
export async function factsAtHand(
  { registries, index }: Pick<TargetDependencies, 'registries' | 'index'>,
  request: ArtifactRequest,
  viewer: Viewer,
): Promise<VersionFacts | undefined> {
  return await index.find(queryOf(registries, request, viewer))
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
