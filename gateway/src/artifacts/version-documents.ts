/**
 * What a registry says of one version: its own document (`GET /name/1.2.3`, a few KB), or, from a registry that has none,
 * the abbreviated packument. For learning whether bytes that came from elsewhere are that version's. Never shown to a client.
 */
import { LRUCache } from 'lru-cache'
import { findDigest, isCatalogError } from '@catalog-p2p/core'
import type { Viewer } from '../packuments/packuments.ts'
import { packSignatures, type VersionFacts } from '../packuments/version-lines.ts'
import { createSingleFlight } from '../single-flight.ts'
import { scopeOf } from '../http/route.ts'
import type { Registry } from '../upstream/registries.ts'
import { discard, readBody, unreachable, type Upstream } from '../upstream/upstream.ts'
import type { PublicNames } from './public-names.ts'
import { fetchFacts, type ArtifactRequest, type TargetDependencies } from './artifact-target.ts'

export interface VersionDocuments {
  /**
   * @throws CatalogError NOT_FOUND when it has no such version, UPSTREAM_REJECTED when it will not say, UPSTREAM_UNREACHABLE
   *   (also when it has not said within TIMEOUT_MS)
   */
  facts(request: ArtifactRequest, viewer: Viewer): Promise<VersionFacts>
  /** What it said a moment ago. */
  readonly recent: (request: ArtifactRequest, viewer: Viewer) => VersionFacts | undefined
  /** A package has changed. */
  forget(name: string): void
}

export interface VersionDocumentsDependencies extends TargetDependencies {
  readonly upstream: Upstream
  readonly publicNames: Pick<PublicNames, 'add'>
}

/** A version's document has some KB; what is longer is not parsed on this thread. */
const MAX_BYTES = 256 * 1024
/** Who waits for it has the bytes already. */
const TIMEOUT_MS = 10_000
/** A registry that was silent for so long counts as out of reach for a while: not every artifact waits for it. */
const SILENT_MS = 30_000
const KEPT = { max: 5_000, ttl: 300_000 }

export function createVersionDocuments(deps: VersionDocumentsDependencies): VersionDocuments {
  const { registries, upstream, publicNames } = deps
  const recent = new LRUCache<string, VersionFacts>(KEPT)
  const flights = createSingleFlight<VersionFacts>()
  /** Registries that know versions, but have no documents of them. */
  const without = new Set<string>()
  const silentSince = new Map<string, number>()

  async function ask(
    registry: Registry,
    request: ArtifactRequest,
    { viewer, signal }: { viewer: Viewer; signal: AbortSignal },
  ): Promise<VersionFacts> {
    const { name, version } = request
    let lacks = false
    if (version !== undefined && !without.has(registry.url)) {
      const found = await read(registry, { name, version }, { viewer, signal })
      if (typeof found === 'object') return found
      lacks = found === 'none'
    }
    const facts = await fetchFacts(deps, { ...request, signal }, viewer)
    if (lacks) without.add(registry.url)
    return facts
  }

  /** `none`: it has no such document; `failed`: it could not give it. */
  async function read(
    registry: Registry,
    { name, version }: { name: string; version: string },
    { viewer, signal }: { viewer: Viewer; signal: AbortSignal },
  ): Promise<VersionFacts | 'none' | 'failed'> {
    const url = new URL(`${registry.url}${name.replace('/', '%2f')}/${encodeURIComponent(version)}`)
    const response = await upstream.request({
      url,
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      credentialsFor: (hop) => registries.credentialsAt(registry, hop, viewer.credentials),
      retries: 1,
      signal,
    })
    const { status, headers } = response
    if (status === 429) {
      discard(response)
      throw unreachable(url, new Error(`it answered ${status}`)) // it asks for fewer questions, not for others
    }
    // What is said elsewhere is not this registry's word.
    const isItsWord = response.url.origin === registry.origin
    if (status !== 200 || !isItsWord || headers['content-encoding'] !== undefined) {
      discard(response)
      return status >= 500 ? 'failed' : 'none'
    }
    try {
      const { counts } = upstream
      const body = await readBody(response, { maxBytes: MAX_BYTES, signal, counts })
      const facts = parse(body, name, version)
      const isOpen = registry.isPublic && !response.withCredentials && facts !== undefined
      if (isOpen && scopeOf(name) !== undefined) publicNames.add(registry.url, name)
      return facts ?? 'none'
    } catch (error) {
      if (isCatalogError(error, 'UPSTREAM_REJECTED')) return 'none' // too long
      throw error
    }
  }

  function keyOf({ name, version, file }: ArtifactRequest, { credentials }: Viewer): string {
    const { url } = registries.homeOf(name)
    return [name, version ?? file, url, credentials?.fingerprint].join('\n')
  }

  return {
    recent: (request, viewer) => recent.get(keyOf(request, viewer)),
    forget(name) {
      for (const key of recent.keys()) if (key.startsWith(`${name}\n`)) recent.delete(key)
    },
    async facts(request, viewer) {
      const registry = registries.homeOf(request.name)
      const key = keyOf(request, viewer)
      const known = recent.get(key)
      if (known !== undefined) return known
      if (performance.now() - (silentSince.get(registry.url) ?? -Infinity) < SILENT_MS) {
        throw unreachable(new URL(registry.url), new Error(`nothing for ${TIMEOUT_MS} ms`))
      }
      const work = async (signal: AbortSignal): Promise<VersionFacts> => {
        const begunMs = performance.now()
        const timeout = AbortSignal.timeout(TIMEOUT_MS)
        const limited = AbortSignal.any([signal, timeout])
        const asked = ask(registry, request, { viewer, signal: limited })
        return asked.catch((error: unknown) => {
          if (!timeout.aborted) throw error
          // One that is slow, or has asked to be left alone, is not away.
          if (upstream.isSilent(registry.origin, begunMs)) {
            silentSince.set(registry.url, performance.now())
          }
          throw unreachable(new URL(registry.url), timeout.reason)
        })
      }
      const facts = await flights.run(key, work, request.signal)
      recent.set(key, facts)
      return facts
    },
  }
}

/** undefined: it is no document of that version, or says nothing of its bytes. */
function parse(body: Buffer, name: string, version: string): VersionFacts | undefined {
  let document: unknown
  try {
    document = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined // some page
  }
  if (!isRecord(document) || document.name !== name || document.version !== version) {
    return undefined
  }
  const { dist } = document
  if (!isRecord(dist)) return undefined
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const integrity = text(dist.integrity)
  if (findDigest(integrity) === undefined) return undefined
  return {
    ...{ version, integrity, shasum: text(dist.shasum), tarball: text(dist.tarball) },
    signatures: packSignatures(dist.signatures),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
