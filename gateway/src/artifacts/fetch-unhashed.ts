/**
 * An artifact without a sha512, as packages published before 2017 have it: only the registry can be asked, and its bytes are
 * checked here against whatever other hashes it names. Peers never hear of it before its digest is known from the bytes.
 */
import { CatalogError, type Artifact, type CatalogNode } from '@catalog-p2p/core'
import type { VersionIndex } from '../packuments/version-index.ts'
import { createSingleFlight, type SingleFlight } from '../single-flight.ts'
import {
  originOf,
  ownerOf,
  rememberBound,
  type AccessDependencies,
  type ArtifactAccess,
} from './artifact-access.ts'
import { once } from './sending/artifact-end.ts'
import type { PrivateArtifacts } from './visibility/private-artifacts.ts'
import type { TarballOrigin } from './tarball-origin.ts'
import { matchesHashes } from './versions/version-hashes.ts'

export interface FetchUnhashedDependencies extends AccessDependencies {
  readonly node: CatalogNode
  readonly index: VersionIndex
  readonly privateAccess: PrivateArtifacts
}

/** Old packages are small: they are held in memory until their hashes are checked. */
const MAX_BYTES = 256 * 1024 * 1024

export class UnhashedArtifacts {
  readonly #deps: FetchUnhashedDependencies
  readonly #flights: SingleFlight<Artifact> = createSingleFlight<Artifact>()

  constructor(deps: FetchUnhashedDependencies) {
    this.#deps = deps
  }

  /** @throws CatalogError NO_PROVIDERS without a registry, DIGEST_MISMATCH, and what the registry's answer may throw */
  async fetch(access: ArtifactAccess): Promise<Artifact> {
    const { request, target, visibility } = access
    const name = `${request.name}@${request.version ?? request.file ?? ''}`
    const origin = originOf(this.#deps, access)
    if (origin === undefined) {
      throw new CatalogError(
        'NO_PROVIDERS',
        `${name}: has no sha512, so peers cannot be asked for it`,
      )
    }
    const owner = visibility === 'private' ? ownerOf(access) : undefined
    const home = this.#deps.registries.homeOf(request.name).url
    const key = [target.hashes ?? `${home} ${name}`, owner].join('\n')
    const work = (signal: AbortSignal): Promise<Artifact> =>
      this.#download(access, { name, origin, signal })
    const artifact = await this.#flights.run(key, work, request.signal)
    return { ...artifact, body: once(artifact.bytes ?? new Uint8Array(0)) }
  }

  async #download(
    access: ArtifactAccess,
    from: { name: string; origin: TarballOrigin; signal: AbortSignal },
  ): Promise<Artifact> {
    const { node, index, privateAccess } = this.#deps
    const { visibility, target } = access
    const { body } = await from.origin.open({ signal: from.signal })
    const bytes = await readChecked(from.name, target.hashes, body)
    const digest = await node.put(bytes, { visibility })
    if (target.hashes !== undefined) index.rememberHashes(target.hashes, digest)
    rememberBound(this.#deps, access, digest)
    if (visibility === 'private') privateAccess.grant(digest, ownerOf(access) ?? '')
    return { digest, source: 'origin', size: bytes.byteLength, bytes, body: once(bytes) }
  }
}

/** Where the registry names no hash nothing is checked: clients accept such a version unchecked, too. */
async function readChecked(
  name: string,
  hashes: string | undefined,
  body: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > MAX_BYTES) {
      throw new CatalogError('UPSTREAM_REJECTED', `${name}: more than ${MAX_BYTES} bytes`, {
        status: 422,
      })
    }
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks, size)
  if (hashes === undefined || matchesHashes(bytes, hashes)) return bytes
  throw new CatalogError('DIGEST_MISMATCH', `${name}: its bytes are not those of ${hashes}`)
}
