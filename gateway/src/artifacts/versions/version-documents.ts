/**
 * What a registry says of one version: its own document (`GET /name/1.2.3`, a few KB), or, from a registry that has none,
 * the abbreviated packument. For learning which bytes a version is, or whether those that came from elsewhere are. Never shown
 * to a client.
 */
import { LRUCache } from 'lru-cache'
import { isCatalogError } from '@catalog-p2p/core'
import type { Viewer } from '../../packuments/packument-service.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'
import { scopeOf } from '../../http/route.ts'
import type { Registry } from '../../upstream/registries.ts'
import { unreachable, type Upstream } from '../../upstream/upstream.ts'
import { createPacedFlights } from '../paced-flights.ts'
import type { PublicNames } from '../visibility/public-names.ts'
import { fetchFacts, type ArtifactRequest, type TargetDependencies } from '../artifact-target.ts'
import { SilentRegistries } from '../silent-registries.ts'
import { requestVersionDocument } from './version-document-request.ts'

export interface VersionDocuments {
  /**
   * @throws CatalogError NOT_FOUND when it has no such version, UPSTREAM_REJECTED when it will not say, UPSTREAM_UNREACHABLE
   *   (also when it has not said within TIMEOUT_MS)
   */
  facts(request: ArtifactRequest, viewer: Viewer): Promise<VersionFacts>
  /**
   * For a request that has no bytes yet, and so waits as long as for any other answer. Of what credentials may be needed for, it is
   * the packument that is asked: it shows as well who may see the package.
   * @throws CatalogError as fetchFacts does
   */
  readonly fetch: (request: ArtifactRequest, viewer: Viewer) => Promise<VersionFacts>
  /** What it said a moment ago. */
  readonly recent: (request: ArtifactRequest, viewer: Viewer) => VersionFacts | undefined
  /** A package has changed. */
  forget(name: string): void
}

export interface VersionDocumentsDependencies extends TargetDependencies {
  readonly upstream: Upstream
  readonly publicNames: Pick<PublicNames, 'add'>
}

interface Question {
  readonly registry: Registry
  readonly request: ArtifactRequest
  readonly viewer: Viewer
  readonly isPatient: boolean
}

/** Requests that wait for it have the bytes already. */
const TIMEOUT_MS = 10_000
const KEPT = { maxSize: 5_000, sizeCalculation: () => 1, ttl: 300_000 }

export function createVersionDocuments(deps: VersionDocumentsDependencies): VersionDocuments {
  const { registries, upstream, publicNames } = deps
  const recent = new LRUCache<string, VersionFacts>(KEPT)
  const flights = createPacedFlights<VersionFacts>()
  const silent = new SilentRegistries(upstream)
  /** Registries that know versions, but have no documents of them. */
  const without = new Set<string>()

  const isDown = ({ origin }: Registry): boolean => upstream.isDown(origin)

  async function ask(
    { registry, request, viewer, isPatient }: Question,
    signal: AbortSignal,
  ): Promise<VersionFacts> {
    const { name, version } = request
    const patience = isPatient ? undefined : { retries: 1 }
    let lacks = false
    if (version !== undefined && !without.has(registry.url)) {
      const question = { registry, name, version, viewer, signal, ...patience }
      const asking = requestVersionDocument({ upstream, registries }, question)
      const found = await asking.catch((error: unknown) => {
        // It answers, and wants to be asked later: the packument's request says so to the client, if it must.
        const isBusy = isCatalogError(error, 'UPSTREAM_UNREACHABLE') && !isDown(registry)
        if (isPatient && isBusy) return 'failed' as const
        throw error
      })
      if (typeof found === 'object') {
        const isOpen = registry.isPublic && !found.withCredentials
        if (isOpen && scopeOf(name) !== undefined) publicNames.add(registry.url, name)
        return found.facts
      }
      lacks = found === 'none'
    }
    const facts = await fetchFacts(deps, { ...request, signal }, viewer)
    if (lacks) without.add(registry.url)
    return facts
  }

  function keyOf({ name, version, file }: ArtifactRequest, { credentials }: Viewer): string {
    const { url } = registries.homeOf(name)
    return [name, version ?? file, url, credentials?.fingerprint].join('\n')
  }

  async function share(question: Question): Promise<VersionFacts> {
    const key = keyOf(question.request, question.viewer)
    const { registry, isPatient } = question
    const { signal } = question.request
    const work = (until: AbortSignal): Promise<VersionFacts> => ask(question, until)
    const facts = await (isPatient
      ? flights.patient(key, work, signal)
      : flights.hurried(key, work, {
          inTime: (asking, until) => inTime(silent, registry, { asking, signal: until }),
          signal,
        }))
    recent.set(key, facts)
    return facts
  }

  return {
    recent: (request, viewer) => recent.get(keyOf(request, viewer)),
    forget(name) {
      for (const key of recent.keys()) if (key.startsWith(`${name}\n`)) recent.delete(key)
    },
    async facts(request, viewer) {
      const registry = registries.homeOf(request.name)
      const known = recent.get(keyOf(request, viewer))
      if (known !== undefined) return known
      silent.assertHeard(registry)
      return await share({ registry, request, viewer, isPatient: false })
    },
    async fetch(request, viewer) {
      const registry = registries.forName(request.name)
      const isOpenly = viewer.credentials === undefined && request.upstream !== 'never'
      if (registry === null || !isOpenly || registries.isCertified(registry)) {
        return await fetchFacts(deps, request, viewer)
      }
      return await share({ registry, request, viewer, isPatient: true })
    },
  }
}

/** @throws CatalogError UPSTREAM_UNREACHABLE when it has not said within TIMEOUT_MS; what asking throws */
async function inTime(
  silent: SilentRegistries,
  registry: Registry,
  {
    asking,
    signal,
  }: { asking: (until: AbortSignal) => Promise<VersionFacts>; signal: AbortSignal },
): Promise<VersionFacts> {
  const askedMs = performance.now()
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  try {
    return await asking(AbortSignal.any([signal, timeout]))
  } catch (error) {
    if (!timeout.aborted) throw error
    silent.noteNoAnswer(registry, askedMs)
    throw unreachable(new URL(registry.url), timeout.reason)
  }
}
