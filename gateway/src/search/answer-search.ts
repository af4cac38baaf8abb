/**
 * Searches over HTTP. `GET /-/v1/search`, as npm's and pnpm's search ask: the registry's own answer, unchanged, while it can be
 * reached and no name is the network's; else what it, this node and its peers know, in the same form. `GET /-/catalog/search`: everything together, each result
 * with where it comes from.
 * https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md#get-v1search
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import type { RequestTarget } from '../http/request-target.ts'
import { sendJson } from '../http/respond.ts'
import { scopeOf } from '../http/route.ts'
import { answeredByUpstream } from '../registry-api/fallback.ts'
import type { PassthroughDependencies, PassthroughOptions } from '../registry-api/passthrough.ts'
import type { SearchResult } from './merge.ts'
import { MAX_RESULTS } from './search-messages.ts'
import type { Found, Search } from './search.ts'
import type { Trust } from '../trust/trust.ts'
import { MAX_TEXT_BYTES } from './search-words.ts'
import { searchUpstream, type UpstreamSearchDependencies } from './upstream-search.ts'

export interface AnswerSearchDependencies
  extends PassthroughDependencies, UpstreamSearchDependencies {
  readonly search: Search
  readonly trust: Pick<Trust, 'entries'>
}

/** What `/-/catalog/search` answers. */
export interface SearchReport extends Found {
  readonly text: string
  /** Whether the registry has answered; `none`: there is no registry. */
  readonly upstream: 'answered' | 'failed' | 'none'
}

const DEFAULT_SIZE = 20
const HEADER = 'x-catalog-search'

/** A client's own search; not below a scope's place, whose registry answers for itself. */
export function isClientSearch({ method, path, scope }: RequestTarget): boolean {
  const isRead = method === 'GET' || method === 'HEAD'
  return isRead && scope === undefined && /^\/-\/v1\/search\/?(?:\?|$)/.test(path)
}

export async function answerClientSearch(
  deps: AnswerSearchDependencies,
  options: PassthroughOptions,
  exchange: Exchange,
): Promise<void> {
  const { req, res, signal } = exchange
  // Where some names are the network's, what the registry has under them must not be shown.
  const isPlain = deps.trust.entries().length === 0
  if (isPlain && (await answeredByUpstream(deps, options, { exchange, name: undefined }))) return
  const { text, size, from } = parseQuery(exchange.target.path)
  const limit = from + size
  const upstream = isPlain ? [] : ((await searchUpstream(deps, { text, limit, signal })) ?? [])
  const { results } = await deps.search.find(text, { limit, upstream, signal })
  res.setHeader(HEADER, headerOf(results))
  sendJson(req, res, { status: 200, body: wireForm(results, { size, from }) })
}

export async function answerCatalogSearch(
  deps: AnswerSearchDependencies,
  exchange: Exchange,
): Promise<void> {
  const { req, res, signal } = exchange
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw new CatalogError('INVALID_OPTIONS', 'only GET and HEAD here', { status: 405 })
  }
  const { text, size } = parseQuery(exchange.target.path)
  const limit = Math.min(MAX_RESULTS, size)
  const upstream = await searchUpstream(deps, { text, limit, signal })
  const found = await deps.search.find(text, { limit, upstream: upstream ?? [], signal })
  const hasRegistry = deps.registries.forName(undefined) !== null
  const said = upstream === undefined ? 'failed' : 'answered'
  const body: SearchReport = { text, upstream: hasRegistry ? said : 'none', ...found }
  sendJson(req, res, { status: 200, body })
}

/** @throws CatalogError INVALID_OPTIONS */
function parseQuery(path: string): { text: string; size: number; from: number } {
  const query = new URLSearchParams(path.split('?', 2)[1])
  const text = query.get('text') ?? ''
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw new CatalogError('INVALID_OPTIONS', `text: more than ${MAX_TEXT_BYTES} bytes`)
  }
  const number = (name: string, otherwise: number): number => {
    const value = query.get(name)
    return value !== null && /^\d{1,6}$/.test(value) ? Number(value) : otherwise
  }
  return { text, size: number('size', DEFAULT_SIZE), from: number('from', 0) }
}

function headerOf(results: readonly SearchResult[]): string {
  const count = (isMeant: (result: SearchResult) => boolean): number =>
    results.filter(isMeant).length
  const unverified = count(({ known }) => !known)
  const local = count(({ source }) => source === 'local')
  return `local=${local}, peers=${results.length - local}, unverified=${unverified}`
}

/** As npm's registry answers; scores only keep the order. `catalog` is ours. */
function wireForm(
  results: readonly SearchResult[],
  { size, from }: { size: number; from: number },
): object {
  const objects = results.slice(from, from + size).map((result, index) => {
    const { name, version, description, keywords, publishedAtMs, source, known } = result
    const score = 1 / (from + index + 1)
    return {
      package: {
        name,
        scope: scopeOf(name)?.slice(1) ?? 'unscoped',
        ...{ version, description, keywords },
        ...(publishedAtMs !== undefined && { date: new Date(publishedAtMs).toISOString() }),
        // npm's search reads these of every package.
        ...{ links: {}, publisher: { username: '' }, maintainers: [] },
      },
      score: { final: score, detail: { quality: 0, popularity: 0, maintenance: 0 } },
      searchScore: score,
      catalog: { source, known },
    }
  })
  return { objects, total: results.length, time: new Date().toISOString() }
}
