/**
 * The registry as a source of metadata, by way of the machine that asks it for all of our certified swarm, where there is one. One
 * that is silent (core's fleet/watch.ts), is at it for two seconds and twice as long as the registry takes, or fails, costs no more
 * than that: the registry is asked as well, and the first good answer counts. Believes a member as it does the registry, whose word it says it passes on; what that is
 * worth is looked at where documents are taken in (check-member-document.ts).
 */
import PQueue from 'p-queue'
import { CatalogError, isCatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { PackumentSource, Received, SourceRequest } from '../packument-source.ts'
import { MAX_AT_ONCE, MEMBER_METADATA } from './member-protocol.ts'
import { createRegistryPace } from './registry-pace.ts'

export interface MemberSourceDependencies {
  readonly node: Pick<CatalogNode, 'fleet' | 'questions'>
  readonly registry: PackumentSource
  /** Told whenever something comes from a member that is not late. */
  readonly heard: () => void
  readonly log: Logger
}

/** Questions whose turn has not come; beyond them the registry is asked. */
const MAX_WAITING = 1_000

export function createMemberSource(deps: MemberSourceDependencies): PackumentSource {
  const { node, registry } = deps
  const { metadata } = node.fleet
  const queue = new PQueue({ concurrency: MAX_AT_ONCE })
  const pace = createRegistryPace()

  const askRegistry = (asked: SourceRequest) =>
    pace.timed(asked.registry.origin, () => fromRegistryItself(registry, asked))

  /**
   * The first good answer of the two, of which the registry's begins when the member's is late or there is none.
   * @param onLate told then
   */
  async function askBoth(
    member: string,
    request: SourceRequest,
    onLate: () => void,
  ): Promise<Received> {
    const over = new AbortController()
    const signal = AbortSignal.any([request.signal, over.signal])
    // Where the registry is slow with us as well, it is not the member that is late.
    const { url, origin } = request.registry
    const options = { about: `${url} ${request.name}`, longestMs: () => pace.allowedMs(origin) }
    const watch = metadata.watch(member, options)
    const { promise: turn, resolve: goOn } = Promise.withResolvers<void>()
    /** Its failure, or that it was late. */
    let isCounted = false
    const fromMember = askMember(deps, member, {
      request: { ...request, signal },
      onHeard() {
        watch.heard()
        if (!isCounted) deps.heard()
      },
    })
    fromMember.catch((error: unknown) => {
      if (!signal.aborted) blame(deps, member, { error, isCounted })
      isCounted = true
      goOn()
    })
    watch.late(signal).then(
      (why) => {
        if (!isCounted) metadata.missed(member, why)
        isCounted = true
        goOn()
      },
      () => undefined, // it is over
    )
    const fromRegistry = turn.then(() => {
      signal.throwIfAborted()
      onLate()
      return askRegistry({ ...request, signal })
    })
    // A member that is at it is waited for where the registry has failed, until it is silent again.
    const inTime = fromRegistry.catch(async (error: unknown) => {
      await metadata.watch(member, options).late(signal)
      throw error
    })
    const first = Promise.any([fromMember, fromRegistry]).catch(() => fromRegistry)
    try {
      const received = await Promise.race([first, inTime])
      if ('member' in received) metadata.succeeded(member)
      return received
    } catch (error) {
      request.signal.throwIfAborted()
      throw error
    } finally {
      over.abort()
    }
  }

  return {
    by: 'registry',
    async fetch(request) {
      const { delegate, name, signal } = request
      if (delegate === undefined || queue.size >= MAX_WAITING) return await askRegistry(request)
      const asked = await queue.add(
        async () => {
          // Another one by now where that was late with others.
          const member = metadata.delegateOf({ registry: request.registry.url, name })
          if (member === undefined) return undefined
          const { promise: late, resolve: onLate } = Promise.withResolvers<void>()
          const answer = askBoth(member, request, onLate)
          await Promise.race([late, answer.catch(() => undefined)])
          return { answer }
        },
        { signal },
      )
      return await (asked?.answer ?? askRegistry(request))
    },
  }
}

function fromRegistryItself(registry: PackumentSource, request: SourceRequest): Promise<Received> {
  // It confirms a tag, and that may be of another text than a member's.
  const validators = request.validators?.member === undefined ? request.validators : undefined
  return registry.fetch({ ...request, validators })
}

async function askMember(
  { node }: MemberSourceDependencies,
  member: string,
  { request, onHeard }: { readonly request: SourceRequest; readonly onHeard: () => void },
): Promise<Received> {
  const { registry, name, kind, validators, signal } = request
  // The registry's own word it cannot renew: that would be its own, and count as the registry's.
  const known = validators?.member === undefined ? '' : (validators.hash ?? '')
  const said = await node.questions.ask(MEMBER_METADATA, {
    ...{ peer: member, signal, onHeard },
    request: { registry: registry.url, name, kind, known },
  })
  // It may have been revoked meanwhile.
  if (said === undefined || said.status === 'failed' || !node.fleet.metadata.isMember(member)) {
    throw new CatalogError('PEER_UNREACHABLE', `${name}: the member could not give it`)
  }
  if (said.status === 'none') throw new CatalogError('NOT_FOUND', `${name}: not to be had there`)
  if (said.status === 'refused') {
    throw new CatalogError('PEER_REFUSED', `${name}: the member does not fetch it for us`)
  }
  if (said.status === 'document') {
    const { lifetimeMs, kind: given, document } = said
    return {
      ...{ status: 'document', body: Buffer.from(document), codings: ['gzip'], lifetimeMs },
      ...{ etag: undefined, lastModified: undefined, member, kind: given },
      url: new URL(registry.url + name.replace('/', '%2f')),
    }
  }
  if (known !== '') {
    return { status: 'unchanged', lifetimeMs: said.lifetimeMs, member }
  }
  throw new CatalogError('PEER_MISBEHAVED', `${name}: confirmed what was not named`)
}

/** @param failure `isCounted`: that it was late is counted already */
function blame(
  { node, log }: MemberSourceDependencies,
  member: string,
  { error, isCounted }: { readonly error: unknown; readonly isCounted: boolean },
): void {
  log.debug('metadata.member-failed', { member, error })
  if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(member, error.message)
  // That there is none is no fault of its own.
  if (isCounted || isCatalogError(error, 'NOT_FOUND')) return
  const isRefused = isCatalogError(error, 'PEER_REFUSED')
  node.fleet.metadata.missed(member, isRefused ? 'refused' : 'failed')
}
