/**
 * What proves that a package is public: what a public registry has given to somebody without credentials, and npm's signature.
 * Asks the registry where it must, as a stranger would, and remembers what it found. No proof is not the same as private:
 * privacy.ts decides.
 */
import { isCatalogError } from '@catalog-p2p/core'
import type { RegistrySignatures } from '../../keys/registry-signature.ts'
import type { PackumentCache } from '../../packuments/cache/packument-cache.ts'
import type { Viewer } from '../../packuments/packument-service.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'
import { scopeOf } from '../../http/route.ts'
import type { Registries, Registry } from '../../upstream/registries.ts'
import { discard, type Upstream } from '../../upstream/upstream.ts'
import { namedVersion, type ArtifactRequest, type ResolvedArtifact } from '../artifact-target.ts'
import { namesDigest } from '../versions/version-hashes.ts'
import type { Bindings } from '../bindings/bindings.ts'
import type { PublicNames } from './public-names.ts'
import { createUnsignedRegistries } from '../versions/unsigned-registries.ts'
import type { VersionDocuments } from '../versions/version-documents.ts'

export interface PublicProofsDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly cache: PackumentCache
  readonly bindings: Bindings
  readonly documents: VersionDocuments
  readonly signatures: RegistrySignatures
  readonly publicNames: PublicNames
}

/** A client waits for the probe, and for its tarball after that. */
const PROBE_TIMEOUT_MS = 10_000

export class PublicProofs {
  readonly #deps: PublicProofsDependencies
  readonly #unsigned = createUnsignedRegistries()

  constructor(deps: PublicProofsDependencies) {
    this.#deps = deps
  }

  /** Of names that `Privacy.of` calls public: whether that is more than that no credentials apply to their scope. */
  isProven(name: string): boolean {
    const { registries, cache, publicNames } = this.#deps
    const home = registries.homeOf(name)
    if (!home.isPublic || scopeOf(name) === undefined) return true
    const isOpenly = cache.visibilityOf(home.url, name) === 'public'
    return isOpenly || publicNames.has(home.url, name)
  }

  /** Whether the public registry itself gives the artifact to a request without credentials. */
  async isPubliclyReadable(request: ArtifactRequest, target: ResolvedArtifact): Promise<boolean> {
    const { registries, upstream, publicNames } = this.#deps
    const { name, signal } = request
    const home = registries.homeOf(name)
    if (this.#isOffline(name, home)) return false
    const url = await target.url()
    if (url.origin !== home.origin) return false
    try {
      // A redirect is another host's word, and a page is no tarball.
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

  /**
   * Whether npm has signed these bytes under this name. Of a scoped name a signature says who published it, not that anybody
   * may have it.
   */
  async isSigned(
    request: ArtifactRequest,
    target: ResolvedArtifact,
    viewer: Viewer,
  ): Promise<boolean> {
    const { registries, bindings } = this.#deps
    const { name } = request
    const { digest } = target
    if (digest === undefined || scopeOf(name) !== undefined) return false
    const named = namedVersion(registries, request, viewer)
    const known = bindings.signature(named, digest)
    if (known !== undefined) return known === 'valid'
    const facts = target.facts ?? (await this.#askFacts(request, viewer))
    if (facts === undefined || !namesDigest(facts.integrity, digest)) return false
    const { version, integrity, signatures } = facts
    const signed = { name, version, integrity, signatures }
    const isValid = await this.#deps.signatures.isSigned(signed)
    const state = isValid ? 'valid' : 'none'
    // One that is missing may come yet: the registry, or a proxy before it, did not pass it on this time.
    bindings.add(named, digest, signatures === '' ? undefined : state)
    this.#unsigned.note(named.registry, name, isValid)
    return isValid
  }

  async #askFacts(request: ArtifactRequest, viewer: Viewer): Promise<VersionFacts | undefined> {
    const home = this.#deps.registries.homeOf(request.name)
    if (request.upstream === 'never' || this.#isOffline(request.name, home)) return undefined
    if (this.#unsigned.has(home.url)) return undefined
    try {
      return await this.#deps.documents.facts(request, viewer)
    } catch (error) {
      if (isCatalogError(error)) return undefined // it stays private; the artifact's own request will say why
      throw error
    }
  }

  #isOffline(name: string, home: Registry): boolean {
    const { registries, upstream } = this.#deps
    return registries.forName(name) === null || upstream.isDown(home.origin)
  }
}
