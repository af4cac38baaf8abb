/**
 * Artifacts for whoever asks over HTTP: finds the digest, decides whether peers may hear of it and whether this client may
 * have it, then asks the node with the registry as origin. Every byte that comes out has been checked by the node, or here
 * against whatever hashes an old package has.
 */
import {
  CatalogError,
  isCatalogError,
  type Artifact,
  type CatalogNode,
  type Digest,
} from '@catalog-p2p/core'
import {
  isRefusal,
  locateArtifact,
  type ArtifactRequest,
  type ArtifactTarget,
} from './artifact-target.ts'
import { createPrivacy, type PrivacyDependencies } from './privacy.ts'
import type { Visibility } from '../packuments/packument-cache.ts'
import type { Viewer } from '../packuments/packuments.ts'
import { createSingleFlight } from '../single-flight.ts'
import { createTarballOrigin, type TarballOrigin } from './tarball-origin.ts'
import { matchesHashes } from './version-hashes.ts'

export interface Artifacts {
  /** @throws CatalogError of every kind; respond.ts makes HTTP of it */
  get(request: ArtifactRequest): Promise<{ artifact: Artifact; visibility: Visibility }>
  /** Whether anyone may see a package is found out anew. */
  forgetVisibility(name: string): void
}

export interface ArtifactsDependencies extends PrivacyDependencies {
  readonly node: CatalogNode
}

/** Old packages are small; what has no sha512 is held in memory until its hashes are checked. */
const MAX_UNNAMED_BYTES = 256 * 1024 * 1024
const SHARED_RETRIES = 2

export function createArtifacts(
  deps: ArtifactsDependencies,
  options: { privateScopes: readonly string[] },
): Artifacts {
  const { node, upstream, registries, packuments, privates, index } = deps
  const privacy = createPrivacy(deps, options)
  const old = createSingleFlight<Artifact>()

  function originOf(
    request: ArtifactRequest,
    target: ArtifactTarget,
    visibility: Visibility,
  ): TarballOrigin | undefined {
    const registry = registries.forName(request.name)
    if (registry === null || request.upstream === 'never') return undefined
    const credentialsFor = (url: URL) =>
      request.client !== undefined && registries.owns(registry, url)
        ? request.client
        : registries.credentialsFor(url)
    const url = target.url
    return createTarballOrigin(upstream, {
      ...{ url, visibility },
      credentialsFor: visibility === 'private' ? credentialsFor : undefined,
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
      await privacy.guard(digest, request, how.viewer)
      const origin = originOf(request, target, how.visibility)
      const isPrivate = how.visibility === 'private'
      const unmark = isPrivate ? privates.mark(digest) : () => undefined
      // The body may never be read (HEAD, a client that left).
      if (isPrivate) request.signal.addEventListener('abort', unmark, { once: true })
      try {
        const artifact = await node.get(digest, {
          signal: request.signal,
          peers: how.visibility === 'public',
          ...(origin && { origin }),
        })
        return whenComplete(artifact, unmark, () => {
          if (!isPrivate) return
          if (origin?.givenTo === 'anyone') privates.grant(digest, '')
          else if (origin?.givenTo === 'owner' && owner !== undefined) privates.grant(digest, owner)
        })
      } catch (error) {
        unmark()
        // A refusal of somebody else's credentials, whose download this one shared, says nothing about ours.
        const shared = origin?.asked === false && isRefusal(error)
        if (!shared || tries >= SHARED_RETRIES) throw error
      }
    }
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
      if (owner !== undefined) privates.grant(digest, owner)
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
    forgetVisibility: (name) => privacy.refused(name),
    async get(request) {
      const viewer = packuments.viewer(request.name, request.client)
      const target = await locateArtifact(deps, request, viewer)
      const { name, version = '' } = request
      if (target.hearsay === undefined) return getAs(request, target, viewer)
      // The registry has other bytes under this name (the lockfile was of another one): its metadata will say which.
      const forget = (error: unknown): void => {
        if (isCatalogError(error, 'DIGEST_MISMATCH')) index.forgetLockfile(name, version)
        else throw error
      }
      try {
        const { artifact, visibility } = await getAs(request, target, viewer)
        return { artifact: whenFailed(artifact, forget), visibility }
      } catch (error) {
        forget(error)
        return getAs(request, await locateArtifact(deps, request, viewer), viewer)
      }
    },
  }
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

/** Runs `done` after the last byte, `always` however it ends. */
function whenComplete(artifact: Artifact, always: () => void, done: () => void): Artifact {
  if (artifact.bytes !== undefined) {
    done()
    always()
    return artifact
  }
  async function* body(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* artifact.body
      done()
    } finally {
      always()
    }
  }
  const { digest, source, size, bytes } = artifact
  return { digest, source, size, bytes, body: body() }
}

/** Tells of a failure in the middle. */
function whenFailed(artifact: Artifact, tell: (error: unknown) => void): Artifact {
  async function* body(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* artifact.body
    } catch (error) {
      tell(error)
      throw error
    }
  }
  return artifact.bytes === undefined ? { ...artifact, body: body() } : artifact
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
