/**
 * Artifacts for whoever asks over HTTP: finds the digest, decides whether peers may hear of it and whether this client may
 * have it, then asks the node with the registry as origin. Every byte that comes out has been checked by the node, or here
 * against whatever hashes an old package has.
 */
import { CatalogError, type Artifact, type CatalogNode, type Digest } from '@catalog-p2p/core'
import {
  isRefusal,
  locateArtifact,
  namedVersion,
  targetOf,
  type ArtifactRequest,
  type ArtifactTarget,
  type LocateDependencies,
} from './artifact-target.ts'
import { createBindingCheck, OtherBytes, type BindingCheck } from './binding-check.ts'
import { createPrivacy, type Privacy, type PrivacyDependencies } from './privacy.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { Visibility } from '../packuments/packument-cache.ts'
import type { Viewer } from '../packuments/packuments.ts'
import { createSingleFlight } from '../single-flight.ts'
import { createTarballOrigin, type TarballOrigin } from './tarball-origin.ts'
import { createTarballWitness } from './tarball-witness.ts'
import { matchesHashes } from './version-hashes.ts'

export interface Artifacts {
  /** @throws CatalogError of every kind; respond.ts makes HTTP of it */
  get(request: ArtifactRequest): Promise<{ artifact: Artifact; visibility: Visibility }>
  /** Whether everything of that name is public, as far as is known without asking. */
  readonly isKnownPublic: Privacy['isKnownPublic']
  /** Whether anyone may see a package is found out anew. */
  forgetVisibility(name: string): void
  /** Which bytes its versions are is found out anew. */
  forgetVersions(name: string): void
}

export interface ArtifactsDependencies
  extends PrivacyDependencies, Omit<LocateDependencies, 'recentFacts'> {
  readonly node: CatalogNode
}

/** Old packages are small; what has no sha512 is held in memory until its hashes are checked. */
const MAX_UNNAMED_BYTES = 256 * 1024 * 1024
const SHARED_RETRIES = 2

export function createArtifacts(
  deps: ArtifactsDependencies,
  options: Pick<ParsedGatewayOptions, 'privateScopes' | 'unboundDigests'>,
): Artifacts {
  const { node, upstream, registries, packuments, privates, index, bindings, documents } = deps
  const locating = { ...deps, recentFacts: documents.recent }
  const checking = { ...deps, witness: createTarballWitness(upstream) }
  const privacy = createPrivacy(deps, options)
  const old = createSingleFlight<Artifact>()

  function originOf(
    request: ArtifactRequest,
    target: ArtifactTarget,
    visibility: Visibility,
  ): TarballOrigin | undefined {
    const registry = registries.forName(request.name)
    if (registry === null || request.upstream === 'never') return undefined
    const credentials = packuments.viewer(request.name, request.client).credentials
    return createTarballOrigin(upstream, {
      ...{ url: target.url, visibility },
      credentialsFor: (url) =>
        registries.owns(registry, url)
          ? registries.credentialsAt(registry, url, credentials)
          : registries.credentialsFor(url),
    })
  }

  async function open(
    request: ArtifactRequest,
    target: ArtifactTarget & { digest: Digest },
    how: { visibility: Visibility; viewer: Viewer },
  ): Promise<Artifact> {
    const { digest } = target
    const owner = how.viewer.credentials?.fingerprint
    for (let tries = 0; ; tries += 1) {
      const named = namedVersion(registries, request, how.viewer)
      const theirs = (): TarballOrigin | undefined => originOf(request, target, how.visibility)
      const asked = { request, viewer: how.viewer, digest, origin: theirs }
      const isBound = target.isBound || bindings.has(named, digest)
      const check = isBound ? undefined : createBindingCheck(checking, options, asked)
      const isPrivate = how.visibility === 'private'
      // Whose they are is no matter where the registry has these very bytes under a public name.
      const isForeign = privates.isForeign(digest, owner)
      if (isForeign && !isPrivate) await check?.done()
      const isShared = !isPrivate && request.upstream !== 'never'
      const isProven = isShared && privacy.isProven(request.name)
      const isKnown = isProven && (target.isBound || bindings.has(named, digest))
      if (isForeign && !isKnown) await privacy.guard(digest, request, how.viewer)
      const origin = theirs()
      const unmark = isPrivate ? privates.mark(digest) : () => undefined
      // The body may never be read (HEAD, a client that left).
      if (isPrivate) request.signal.addEventListener('abort', unmark, { once: true })
      try {
        if (node.has(digest)) check?.begin()
        const getting = node.get(digest, {
          signal: request.signal,
          peers: how.visibility === 'public',
          ...(origin && { origin }),
        })
        if (check !== undefined) whenOthersAreAsked(origin, check.begin)
        const artifact = await getting
        // These are the registry's own bytes under that very name.
        const isOrigins = artifact.source === 'origin' && origin?.asked === true
        const verdict = isOrigins ? undefined : check?.done(artifact.size)
        const before = verdict && (() => verdict)
        // The whole of it is at hand, and so is the chance to answer with something else.
        if (artifact.bytes !== undefined) await before?.()
        const done = (): void => {
          const home = registries.homeOf(request.name)
          const isOpenly = isOrigins && origin.givenTo === 'anyone' && home.isPublic
          if (isOpenly && isShared && !privacy.isProven(request.name)) {
            deps.publicNames.add(home.url, request.name)
          }
          if (isOrigins || target.isBound) rememberBound(request, how.viewer, digest)
          // Kept as private by somebody else, or since nobody knew its name.
          if (isShared && privacy.isProven(request.name) && bindings.has(named, digest)) {
            node.setVisibility(digest, 'public')
          }
          if (!isPrivate) return
          if (origin?.givenTo === 'anyone') privates.grant(digest, '')
          else if (origin?.givenTo === 'owner' && owner !== undefined) privates.grant(digest, owner)
        }
        return whenComplete(artifact, { before, done, always: unmark })
      } catch (error) {
        unmark()
        // A refusal of somebody else's credentials, whose download this one shared, says nothing about ours.
        const shared = origin?.asked === false && isRefusal(error)
        if (!shared || tries >= SHARED_RETRIES) throw error
      }
    }
  }

  function rememberBound(request: ArtifactRequest, viewer: Viewer, digest: Digest): void {
    if (request.upstream === 'never') return
    const named = namedVersion(registries, request, viewer)
    if (!bindings.has(named, digest)) bindings.add(named, digest)
  }

  async function getOld(
    request: ArtifactRequest,
    target: ArtifactTarget,
    how: { visibility: Visibility; viewer: Viewer },
  ): Promise<Artifact> {
    const { hashes } = target
    const name = `${request.name}@${request.version ?? request.file ?? ''}`
    const origin = originOf(request, target, how.visibility)
    if (origin === undefined) {
      throw new CatalogError(
        'NO_PROVIDERS',
        `${name}: has no sha512, so peers cannot be asked for it`,
      )
    }
    const owner = how.visibility === 'private' ? how.viewer.credentials?.fingerprint : undefined
    const work = async (signal: AbortSignal): Promise<Artifact> => {
      const { size, body } = await origin.open({ signal })
      const bytes = await readChecked(name, hashes, { size, body })
      const digest = await node.put(bytes, { visibility: how.visibility })
      if (hashes !== undefined) index.rememberHashes(hashes, digest)
      rememberBound(request, how.viewer, digest)
      if (how.visibility === 'private') privates.grant(digest, owner ?? '')
      return { digest, source: 'origin', size: bytes.byteLength, bytes, body: once(bytes) }
    }
    const home = registries.homeOf(request.name).url
    const key = [hashes ?? `${home} ${name}`, owner].join('\n')
    const artifact = await old.run(key, work, request.signal)
    return { ...artifact, body: once(artifact.bytes ?? new Uint8Array(0)) }
  }

  async function getAs(
    request: ArtifactRequest,
    target: ArtifactTarget,
    viewer: Viewer,
  ): ReturnType<Artifacts['get']> {
    const fetch = (visibility: Visibility): Promise<Artifact> => {
      const { digest } = target
      return digest === undefined
        ? getOld(request, target, { visibility, viewer })
        : open(request, { ...target, digest }, { visibility, viewer })
    }
    const visibility = await privacy.of(request, target, viewer)
    if (visibility === 'private' || viewer.credentials === undefined) {
      return { artifact: await fetch(visibility), visibility }
    }
    try {
      return { artifact: await fetch('public'), visibility: 'public' }
    } catch (error) {
      if (!isRefusal(error)) throw error
      // Nobody gets it without credentials, so it is private, whatever its name looked like.
      privacy.refused(request.name)
      return { artifact: await fetch('private'), visibility: 'private' }
    }
  }

  return {
    isKnownPublic: privacy.isKnownPublic,
    forgetVisibility: (name) => privacy.refused(name),
    forgetVersions(name) {
      bindings.forget(name)
      documents.forget(name)
    },
    async get(request) {
      const viewer = packuments.viewer(request.name, request.client)
      const target = await locateArtifact(locating, request, viewer)
      try {
        return await getAs(request, target, viewer)
      } catch (error) {
        if (!(error instanceof OtherBytes)) throw error
        return await getAs(request, targetOf(deps, request, error.facts), viewer)
      }
    },
  }
}

/**
 * Begins the check while peers are asked. An origin that nobody comes before is opened at once, and what it gives needs no check:
 * so it is not begun before that had its chance. When it begins decides only how long the end of an answer waits for it.
 */
function whenOthersAreAsked(origin: TarballOrigin | undefined, begin: BindingCheck['begin']): void {
  setImmediate(() => {
    if (origin?.asked !== true) begin()
  })
}

/** Without hashes nothing is checked: clients take such a version as it comes, and so does who asks us for it. */
async function readChecked(
  name: string,
  hashes: string | undefined,
  from: { size?: number | undefined; body: AsyncIterable<Uint8Array> },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of from.body) {
    size += chunk.byteLength
    if (size > MAX_UNNAMED_BYTES) {
      throw new CatalogError('UPSTREAM_REJECTED', `${name}: more than ${MAX_UNNAMED_BYTES} bytes`, {
        status: 422,
      })
    }
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks, size)
  if (hashes === undefined || matchesHashes(bytes, hashes)) return bytes
  throw new CatalogError('DIGEST_MISMATCH', `${name}: its bytes are not those of ${hashes}`)
}

interface Completion {
  /** The end of the artifact waits for it, and fails with it. */
  readonly before: (() => Promise<void>) | undefined
  /** After the last byte. */
  readonly done: () => void
  /** However it ends. */
  readonly always: () => void
}

function whenComplete(artifact: Artifact, { before, done, always }: Completion): Artifact {
  if (artifact.bytes !== undefined) {
    done()
    always()
    return artifact
  }
  async function* body(): AsyncGenerator<Uint8Array, void> {
    try {
      // Whoever sends it on keeps one piece back until this has returned.
      yield* artifact.body
      await before?.()
      done()
    } finally {
      always()
    }
  }
  const { digest, source, size, bytes } = artifact
  return { digest, source, size, bytes, body: body() }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
