/**
 * What this machine fetches from its registry for the other machines of its fleet: public packages of the same registry, as a
 * client without credentials would get them, and no more at once than a prefetch. Nothing is sent from here: the asker gets it
 * from the store as every peer does.
 */
import PQueue from 'p-queue'
import { CatalogError, type CatalogNode, type Digest, type PackageVersion } from '@catalog-p2p/core'
import { parseRoute } from '../http/route.ts'
import { tarballFile } from '../packuments/client-policy.ts'
import { queueUntilBegun } from '../queue-until-begun.ts'
import type { Registries } from '../upstream/registries.ts'
import type { ArtifactRequest } from './artifact-target.ts'
import type { Artifacts } from './artifacts.ts'

export interface FleetErrandsDependencies {
  readonly node: Pick<CatalogNode, 'fleet'>
  readonly registries: Registries
  readonly artifacts: Pick<Artifacts, 'get' | 'ensureRecord' | 'isKnownPublic'>
}

const CONCURRENCY = 32
/** What has begun is brought to its end so long after its asker has left: the other machines are about to want it as well. */
const LEFT_MS = 10_000
/** Errands that may wait for their turn, of all machines together. */
const MAX_WAITING = 1_000

export function serveFleet({ node, registries, artifacts }: FleetErrandsDependencies): void {
  const queue = new PQueue({ concurrency: CONCURRENCY })

  async function fetch(
    { name, version }: PackageVersion,
    { digest, signal }: { digest: Digest | undefined; signal: AbortSignal },
  ): Promise<Digest> {
    const request: ArtifactRequest = {
      ...{ name, version, file: undefined, integrity: digest, client: undefined, signal },
      isErrand: true,
    }
    // Whoever asks needs the registry's signature as well, or would have to ask the registry.
    const recorded = artifacts.ensureRecord(request)
    const [got] = await Promise.all([artifacts.get(request), recorded])
    if (got.visibility !== 'public') throw refused('it is not public here')
    for await (const bytes of got.artifact.body) void bytes // to its end: then it is in the store
    return got.artifact.digest
  }

  node.fleet.serve(async ({ version, digest }, { signal }) => {
    const { registry, name } = version
    if (!isPackage(version)) throw refused('no package has such a name')
    if (registries.forName(name)?.url !== registry) throw refused('another registry')
    if (!artifacts.isKnownPublic(name)) throw refused('not known to be public')
    if (queue.size >= MAX_WAITING) throw new CatalogError('PEER_BUSY', 'too many errands')
    return await queueUntilBegun(queue, signal, async () => {
      const asked = staying(signal)
      try {
        return await fetch(version, { digest, signal: asked.signal })
      } finally {
        asked.end()
      }
    })
  })
}

/** An asker that leaves LEFT_MS later than it does. Whoever else waits for the same by then keeps it going. */
function staying(signal: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
  const left = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onLeft = (): void => {
    timer = setTimeout(() => left.abort(signal.reason), LEFT_MS).unref()
  }
  signal.addEventListener('abort', onLeft, { once: true })
  if (signal.aborted) onLeft()
  return {
    signal: left.signal,
    end() {
      clearTimeout(timer)
      signal.removeEventListener('abort', onLeft)
    },
  }
}

/** By the rules for the URLs that clients send. */
function isPackage({ name, version }: PackageVersion): boolean {
  const route = parseRoute('GET', `/${name}/-/${tarballFile(name, version)}`)
  return route.route === 'tarball' && route.name === name && route.version === version
}

function refused(why: string): CatalogError {
  return new CatalogError('PEER_REFUSED', why)
}
