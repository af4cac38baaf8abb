/**
 * What this machine asks its registry for the other machines of its certified swarm: metadata of public packages of the same
 * registry, as a client without credentials would get it. Gives the registry's own word only, and never what another machine has
 * said; nobody but certified members gets an answer.
 */
import PQueue from 'p-queue'
import { isCatalogError, type Answering, type CatalogNode, type Logger } from '@catalog-p2p/core'
import { isPackageName } from '../../http/route.ts'
import type { Registries } from '../../upstream/registries.ts'
import { freshForMs } from '../cache/freshness.ts'
import type { PackumentCache } from '../cache/packument-cache.ts'
import type { Packuments } from '../packument-service.ts'
import {
  MAX_AT_ONCE,
  MAX_MEMBER_DOCUMENT_BYTES,
  MEMBER_METADATA,
  type MemberRequest,
  type MemberResponse,
} from './member-protocol.ts'

export interface ServeMembersDependencies {
  readonly node: Pick<CatalogNode, 'fleet' | 'questions'>
  readonly registries: Registries
  readonly cache: PackumentCache
  readonly packuments: Pick<Packuments, 'ownWord'>
  readonly isKnownPublic: (name: string) => boolean
  readonly log: Logger
}

const CONCURRENCY = 32
/** Questions that may wait for their turn, of all machines together. */
const MAX_WAITING = 1_000

/** Takes part from now on, until the result is stopped. */
export function serveMembers(
  deps: ServeMembersDependencies,
  { maxAgeMs }: { readonly maxAgeMs: number },
): Pick<Answering, 'stop'> {
  const { node, registries, cache, packuments, isKnownPublic, log } = deps
  const queue = new PQueue({ concurrency: CONCURRENCY })

  async function fetch(request: MemberRequest, signal: AbortSignal): Promise<MemberResponse> {
    const { name, kind, known } = request
    const document = await packuments.ownWord({ name, kind, signal })
    const lifetimeMs = freshForMs(document, maxAgeMs, Date.now())
    if (document.hash === known) return { status: 'unchanged', lifetimeMs }
    const at = { document: document.id, hash: document.hash, part: 'raw' }
    const body = await cache.bodies.read(at)
    if (body === undefined || body.byteLength > MAX_MEMBER_DOCUMENT_BYTES) return { status: 'none' }
    return { status: 'document', kind: document.kind, lifetimeMs, document: body }
  }

  /** Why it is not fetched here; undefined: it may be. */
  function refusal({ registry, name }: MemberRequest): 'refused' | 'none' | undefined {
    if (!isPackageName(name)) return 'none'
    try {
      if (registries.forName(name)?.url !== registry) return 'refused'
      return isKnownPublic(name) ? undefined : 'none'
    } catch (error) {
      if (isCatalogError(error, 'NOT_FOUND')) return 'none' // it is of no registry
      throw error
    }
  }

  node.fleet.metadata.join()
  return node.questions.answer(MEMBER_METADATA, {
    maxStreamsPerPeer: MAX_AT_ONCE,
    async answer(request, { peer, signal }) {
      if (!node.fleet.metadata.isMember(peer)) return { status: 'refused' }
      const why = refusal(request)
      if (why !== undefined) return { status: why }
      if (queue.size >= MAX_WAITING) return { status: 'failed' }
      try {
        const response = await queue.add(() => fetch(request, signal), { signal })
        // It may have been revoked meanwhile.
        if (!node.fleet.metadata.isMember(peer)) return { status: 'refused' }
        if (response.status !== 'none') node.fleet.metadata.gave()
        return response
      } catch (error) {
        log.debug('metadata.not-fetched', { name: request.name, peer, error })
        return { status: isCatalogError(error, 'UPSTREAM_REJECTED') ? 'none' : 'failed' }
      }
    },
  })
}
