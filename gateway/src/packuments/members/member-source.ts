/**
 * The registry as a source of metadata, by way of the machine that asks it for all of our certified swarm, where there is one. One
 * that is silent for a quarter of a second, is at it for two seconds, or fails, costs no more than that: the registry is asked as
 * well, and the first good answer counts. Believes a member as it does the registry, whose word it says it passes on; what that is
 * worth is looked at where documents are taken in (check-member-document.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import PQueue from 'p-queue'
import { CatalogError, isCatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { PackumentSource, Received, SourceRequest } from '../packument-source.ts'
import { MAX_AT_ONCE, MEMBER_METADATA } from './member-protocol.ts'

export interface MemberSourceDependencies {
  readonly node: Pick<CatalogNode, 'fleet' | 'questions'>
  readonly registry: PackumentSource
  /** Told whenever something comes from a member that is not late. */
  readonly heard: () => void
  readonly log: Logger
}

/** Questions whose turn has not come; beyond them the registry is asked. */
const MAX_WAITING = 1_000
const LOOK_MS = 50
/** Looks are counted and not time: a machine that is too busy to read for a second has looked once. */
const SILENT_LOOKS = 5
/** However often it says that it is at it: a registry seldom takes longer. */
const MOST_LOOKS = 40

type Miss = 'silent' | 'slow'

export function createMemberSource(deps: MemberSourceDependencies): PackumentSource {
  const { node, registry } = deps
  const { metadata } = node.fleet
  const queue = new PQueue({ concurrency: MAX_AT_ONCE })
  const listening = new Listening()

  const askRegistry = (request: SourceRequest) => fromRegistryItself(registry, request)

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
    const heard = listening.to(member)
    const late = (): Promise<Miss> => whenLate(heard.count, signal)
    const { promise: turn, resolve: goOn } = Promise.withResolvers<void>()
    /** Its failure, or that it was late. */
    let isCounted = false
    const fromMember = askMember(deps, member, {
      request: { ...request, signal },
      onHeard() {
        heard.note()
        if (!isCounted) deps.heard()
      },
    })
    fromMember.catch((error: unknown) => {
      if (!signal.aborted) blame(deps, member, { error, isCounted })
      isCounted = true
      goOn()
    })
    late().then(
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
      await late()
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
      heard.end()
    }
  }

  return {
    by: 'registry',
    async fetch(request) {
      const { delegate, name, signal } = request
      if (delegate === undefined || queue.size >= MAX_WAITING) return await askRegistry(request)
      const of = { registry: request.registry.url, name }
      const asked = await queue.add(
        async () => {
          // Another one by now where that was late with others.
          const member = metadata.delegateOf(of)
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

/** What comes from members that are being asked: another answer too is a sign of life, this one may wait behind it. */
class Listening {
  readonly #members = new Map<string, { heard: number; questions: number }>()

  to(member: string): { note: () => void; count: () => number; end: () => void } {
    const state = this.#members.get(member) ?? { heard: 0, questions: 0 }
    this.#members.set(member, state)
    state.questions += 1
    return {
      note: () => void (state.heard += 1),
      count: () => state.heard,
      end: () => {
        state.questions -= 1
        if (state.questions === 0) this.#members.delete(member)
      },
    }
  }
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

/** Why it is. @throws `signal.reason` */
async function whenLate(heard: () => number, signal: AbortSignal): Promise<Miss> {
  let seen = heard()
  let silentLooks = 0
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    await sleep(LOOK_MS, undefined, { signal, ref: false })
    silentLooks = heard() === seen ? silentLooks + 1 : 0
    seen = heard()
    if (silentLooks >= SILENT_LOOKS) return 'silent'
  }
  return 'slow'
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
