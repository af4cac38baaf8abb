/** Which documents of the cache answer a question without asking anybody. Reads the cache and changes nothing. */
import type { LRUCache } from 'lru-cache'
import type { CachedDocument, PackumentKind } from './cached-document.ts'
import { freshForMs } from './freshness.ts'
import type { PackumentCache } from './packument-cache.ts'
import { hasWanted, missingKey, type Question } from '../packument-request.ts'
import type { VersionJudgements } from '../version-judgements.ts'

export interface AtHandDependencies {
  readonly cache: PackumentCache
  readonly judgements: VersionJudgements
  /** What upstream was asked for a moment ago and did not have. */
  readonly missing: Pick<LRUCache<string, true>, 'has'>
  readonly options: { readonly maxAgeMs: number; readonly staleWhileRevalidateMs: number }
}

/** `stale`: it answers, and upstream is to be asked behind it. */
export interface DocumentAtHand {
  readonly document: CachedDocument
  readonly state: 'fresh' | 'stale'
}

/** What answers without waiting for upstream: with what is wanted, or with all that there is. */
export async function findAnswer(
  deps: AtHandDependencies,
  question: Question,
): Promise<DocumentAtHand | undefined> {
  const { cache, options, missing } = deps
  const { request, view, registry } = question
  if (request.revalidate === true) return undefined
  const [owner = ''] = view.owners
  const document = cache.find({ registry: registry.url, name: request.name, owner })
  if (document === undefined) return undefined
  if (sourceKind(deps, request) === 'full' && document.kind !== 'full') return undefined
  const nowMs = Date.now()
  const isFresh = freshForMs(document, options.maxAgeMs, nowMs) > 0
  const renewedUntilMs = document.confirmedAtMs + options.staleWhileRevalidateMs
  // What is known to have changed is asked for first; what upstream could not be asked about since, too.
  const isRenewable = document.freshness === 'current' && renewedUntilMs > nowMs
  if (!isFresh && !isRenewable) return undefined
  const state = isFresh ? 'fresh' : 'stale'
  if (await hasWanted(request)) return { document, state }
  // Only upstream says that something is missing.
  return isFresh && missing.has(missingKey(question) ?? '') ? { document, state } : undefined
}

/** Only full documents say when versions came out, which the guard may have to know. */
export function sourceKind(
  { judgements }: Pick<AtHandDependencies, 'judgements'>,
  { name, kind }: Question['request'],
): PackumentKind {
  return judgements.kindFor({ name, kind })
}

/** The best there is, with its body: of the kind asked for, else of the other; the registry's word before that of peers. */
export async function bestAtHand(
  cache: PackumentCache,
  { request, view }: Pick<Question, 'request' | 'view'>,
  /** undefined: peers only. There is no registry whose documents they would be, so any registry's will do. */
  registry: string | undefined,
): Promise<CachedDocument | undefined> {
  const documents = cache.findByName(registry, request.name, view.owners)
  // The abbreviated form can be made of a full document.
  const isFull = ({ kind }: CachedDocument): number => Number(kind === 'full')
  if (request.kind === 'full') documents.sort((a, b) => isFull(b) - isFull(a))
  const isPeers = ({ peerFetchedAtMs }: CachedDocument): number =>
    Number(peerFetchedAtMs !== undefined)
  const rank = ({ owner }: CachedDocument): number => view.owners.indexOf(owner)
  documents.sort((a, b) => rank(a) - rank(b) || isPeers(a) - isPeers(b))
  for (const document of documents) {
    const at = { document: document.id, hash: document.hash }
    if ((await cache.bodies.read({ ...at, part: 'raw' })) !== undefined) return document
  }
  return undefined
}
