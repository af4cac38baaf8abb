/**
 * The order in which sources are asked for a packument that the cache does not answer: the registry; peers as well where it is
 * absent, down, silent or failing; then what is old. The first good answer wins, and the registry's is taken in behind it. What
 * is old or a peer's never says that something is missing while the registry may have it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LRUCache } from 'lru-cache'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import { isUnusable, type Upstream } from '../upstream/upstream.ts'
import type { Registries } from '../upstream/registries.ts'
import type { SingleFlight } from '../single-flight.ts'
import type { CachedDocument } from './cache/cached-document.ts'
import { freshForMs } from './cache/freshness.ts'
import {
  bestAtHand,
  findAnswer,
  sourceKind,
  type AtHandDependencies,
} from './cache/documents-at-hand.ts'
import {
  fetchPackument,
  poisonKey,
  type OnDependencies,
  type OnSummary,
  type PackumentFetchDependencies,
} from './packument-fetch.ts'
import { hasWanted, missingKey, type PackumentAnswer, type Question } from './packument-request.ts'
import type { MemberIntake } from './members/member-intake.ts'
import type { Members } from './members/members.ts'
import type { PeerFallback } from './peers/peer-fallback.ts'
import { mayServeRaw } from './worker/poison-documents.ts'
import type { SilentRegistry } from './silent-registry.ts'
import type { StalePatience } from './stale-patience.ts'

export interface AskDependencies extends PackumentFetchDependencies, AtHandDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly fallback: PeerFallback
  readonly silence: SilentRegistry
  readonly patience: StalePatience
  readonly fetches: SingleFlight<CachedDocument>
  readonly missing: LRUCache<string, true>
  readonly members?: (MemberIntake & Pick<Members, 'delegateFor' | 'heardSince'>) | undefined
  readonly onSummary?: OnSummary
  readonly onRefused?: (name: string) => void
  readonly onDependencies?: OnDependencies | undefined
  readonly options: AtHandDependencies['options'] & { readonly maxBytes: number }
}

/** A fetch that nobody waits for any more ends by this. */
const MAX_FETCH_MS = 600_000
/** What peers get to add to what the registry said itself, while it cannot be asked. */
const MAX_ADD_MS = 1_000
/** After that nobody waits for them any more. */
const MAX_ASK_MS = 15_000

/** With no registry to ask. @throws CatalogError NOT_FOUND */
export async function askPeersOnly(
  deps: AskDependencies,
  question: Question,
  { isUpstream }: { isUpstream: boolean },
): Promise<PackumentAnswer> {
  const { request, registry } = question
  const of = isUpstream ? registry.url : undefined
  const isAsked = request.upstream !== 'never'
  const old = await bestAtHand(deps.cache, question, of)
  const isYoung = old !== undefined && freshForMs(old, deps.options.maxAgeMs, Date.now()) > 0
  const isEnough = isYoung && (await hasWanted(request))
  const told = isAsked && !isEnough ? await askPeers(deps, question, old) : undefined
  if (told !== undefined) return told
  if (old !== undefined) return { document: old, state: 'fresh' }
  const why = isAsked ? 'it has no upstream' : 'the request lets it ask no upstream'
  throw notKnown(request.name, why)
}

export async function askSources(
  deps: AskDependencies,
  question: Question,
): Promise<PackumentAnswer> {
  const { cache, upstream, patience, log } = deps
  const { request, registry } = question
  const { name, signal } = request
  const old = await bestAtHand(cache, question, registry.url)
  const isWhole = old !== undefined && (await hasWanted(request))
  const isAnswer = isWhole && old.freshness !== 'changed'
  const isDown = upstream.isDown(registry.origin)
  if (isDown) {
    const told = await askPeers(deps, question, old)
    if (told !== undefined) return told
    if (isAnswer) return { document: old, state: 'stale' }
  }
  try {
    const isRegistrys = old?.peerFetchedAtMs === undefined
    if (!isAnswer || !isRegistrys) return await firstOfSources(deps, question, old)
    // An old copy is no reason to wait for ever, nor to ask again and again.
    const document = await patience.waitFor(
      fetchShared(deps, question, { old, signal: AbortSignal.timeout(MAX_FETCH_MS) }),
      { url: new URL(registry.url), signal },
    )
    return { document, state: 'fetched' }
  } catch (error) {
    const isFailure = isCatalogError(error, 'UPSTREAM_UNREACHABLE') || isUnusable(error)
    const told = isFailure && !isDown ? await askPeers(deps, question, old) : undefined
    if (told !== undefined) return told
    if (!isWhole || !isFailure) throw error
    log.warn('packument.stale', { name, reason: (error as Error).message })
    const isChanged = old.freshness === 'changed'
    const document = isChanged ? cache.update(old, { ...old, freshness: 'unconfirmed' }) : old
    return { document, state: 'stale' }
  }
}

/** Asks upstream for a document that is used meanwhile. Its failures are nobody's concern: the next request sees them. */
export function renewBehind(deps: AskDependencies, question: Question, old: CachedDocument): void {
  const { upstream, log } = deps
  const { request, registry } = question
  if (upstream.isDown(registry.origin)) return
  fetchShared(deps, question, { old, signal: AbortSignal.timeout(MAX_FETCH_MS) }).catch(
    (error: unknown) => log.debug('packument.not-renewed', { name: request.name, error }),
  )
}

/** The registry, and peers too when it is silent. Its answer is taken in behind theirs. */
async function firstOfSources(
  deps: AskDependencies,
  question: Question,
  old: CachedDocument | undefined,
): Promise<PackumentAnswer> {
  const { signal } = question.request
  const leaving = new AbortController()
  const leave = (): void => leaving.abort(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  const asking = new AbortController()
  const request = { ...question.request, signal: AbortSignal.any([signal, asking.signal]) }
  const bounded = AbortSignal.any([leaving.signal, AbortSignal.timeout(MAX_FETCH_MS)])
  try {
    signal.throwIfAborted()
    const fetching = fetchShared(deps, question, { old, signal: bounded })
    return await new Promise<PackumentAnswer>((resolve, reject) => {
      fetching.then((document) => resolve({ document, state: 'fetched' }), reject)
      deps.silence
        .whenSilent(question.registry.origin, request.signal)
        .then(() => askPeers(deps, { ...question, request }, old))
        .then((told) => told && resolve(told))
        .catch(() => undefined) // the registry's own answer decides
    })
  } finally {
    signal.removeEventListener('abort', leave)
    asking.abort()
  }
}

/**
 * What peers say, beside the registry's own old word if that is at hand; undefined when it is no more than that, or lacks what is
 * wanted.
 */
async function askPeers(
  { fallback, missing }: AskDependencies,
  question: Question,
  old: CachedDocument | undefined,
): Promise<PackumentAnswer | undefined> {
  const { request } = question
  const own = old?.peerFetchedAtMs === undefined ? old : undefined
  const isHere = await hasWanted(request)
  const key = missingKey(question)
  const renew = !isHere && !missing.has(key ?? '')
  const said =
    own === undefined || !isHere
      ? await fallback.ask(question, { renew })
      : await inTime(request.signal, (signal) =>
          fallback.ask({ ...question, request: { ...request, signal } }, { renew }),
        )
  if (said === undefined) return undefined
  if (!isHere && !(await hasWanted(request))) {
    if (key !== undefined) missing.set(key, true)
    return undefined
  }
  if (own === undefined) return { document: said, state: 'fetched' }
  return { document: own, beside: said, state: 'stale' }
}

/** What comes within a moment; what comes later is there for the next one who asks. @throws `signal.reason` */
async function inTime<T>(
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const over = new AbortController()
  const any = AbortSignal.any([signal, over.signal])
  try {
    const moment = sleep(MAX_ADD_MS, undefined, { signal: any })
    moment.catch(() => undefined) // the answer came first
    return await Promise.race([ask(AbortSignal.timeout(MAX_ASK_MS)).catch(() => undefined), moment])
  } finally {
    over.abort()
  }
}

/** Callers of one epoch share a fetch: those that ask after a change do not join one that was begun before it. */
function fetchShared(
  deps: AskDependencies,
  { request, view, registry }: Question,
  { old, signal }: { old: CachedDocument | undefined; signal: AbortSignal },
): Promise<CachedDocument> {
  const { cache, registries, poison, options, fetches } = deps
  const { name, form } = request
  // A full document at hand stays one: confirming it costs less than a second document, and they would age apart.
  const kind = old?.kind === 'full' ? 'full' : sourceKind(deps, request)
  const epoch = cache.epochOf(name)
  const who = view.credentials?.fingerprint
  const delegate = deps.members?.delegateFor({ request, view, registry }, { old, epoch })
  const isStranger = request.isErrand === true && registries.hasCredentials()
  // A document that can't be read is fetched only for clients that may have it unread.
  const isPoison = poison.has(poisonKey({ name, kind, registry }))
  const only = isPoison && mayServeRaw(form?.policy, registry)
  const key = [registry.url, name, kind, who, epoch, only, delegate, isStranger].join('\n')
  const work = (aborted: AbortSignal): Promise<CachedDocument> =>
    fetchPackument(deps, options, {
      ...{ registry, name, kind, credentials: view.credentials },
      credentialsAt: (url) =>
        isStranger ? undefined : registries.credentialsAt(registry, url, view.credentials),
      form,
      onSummary: deps.onSummary,
      onRefused: deps.onRefused,
      onDependencies: deps.onDependencies,
      abbreviate: kind === 'full' && request.kind === 'abbreviated',
      retries: undefined,
      delegate,
      signal: aborted,
    })
  return fetches.run(key, work, signal)
}

/** What the registry itself says, for another machine: nothing that a machine has said, nor with anybody's credentials. */
export async function askRegistryOnly(
  deps: AskDependencies,
  question: Question,
): Promise<CachedDocument> {
  const { request, registry } = question
  const found = await findAnswer(deps, question)
  if (found?.state === 'fresh' && found.document.member === undefined) return found.document
  const old = deps.cache.find({ registry: registry.url, name: request.name, owner: '' })
  return await fetchShared(deps, question, { old, signal: request.signal })
}

function notKnown(name: string, why: string): CatalogError {
  return new CatalogError('NOT_FOUND', `${name}: not known to this node, and ${why}`, {
    hint: 'metadata that it has seen itself is all there is then',
  })
}
