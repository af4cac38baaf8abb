/**
 * A search at the registry, for `catalog search`, which shows it together with what this node and its peers find. A registry that
 * fails, is slow or has no search is left out. Clients' own searches are passed through instead (answer-search.ts).
 */
import { z } from 'zod'
import type { Logger } from '@catalog-p2p/core'
import { isPackageName, isVersion } from '../http/route.ts'
import {
  boundedKeywords,
  boundedText,
  SUMMARY_LIMITS,
  toMs,
} from '../packuments/document/package-summary.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import { discard, readBody, type Upstream } from '../upstream/upstream.ts'
import type { FoundPackage } from './merge.ts'

export interface UpstreamSearchDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
  readonly log: Logger
}

const TIMEOUT_MS = 5_000
/** Of 50 results: it is read on the main thread. */
const MAX_BYTES = 512 * 1024

const answerSchema = z.object({
  objects: z.array(
    z.object({
      package: z.object({
        name: z.string(),
        version: z.string(),
        description: z.unknown().optional(),
        keywords: z.unknown().optional(),
        date: z.unknown().optional(),
      }),
    }),
  ),
})

/** undefined: there is no registry, or it did not answer. */
export async function searchUpstream(
  deps: UpstreamSearchDependencies,
  search: { readonly text: string; readonly limit: number; readonly signal: AbortSignal },
): Promise<FoundPackage[] | undefined> {
  const { registries, upstream, log } = deps
  const registry = registries.forName(undefined)
  if (registry === null || upstream.isDown(registry.origin)) return undefined
  const signal = AbortSignal.any([search.signal, AbortSignal.timeout(TIMEOUT_MS)])
  try {
    return await ask(deps, { ...search, registry, signal })
  } catch (error) {
    search.signal.throwIfAborted()
    log.debug('search.upstream-failed', { error })
    return undefined
  }
}

async function ask(
  { registries, upstream }: UpstreamSearchDependencies,
  search: {
    readonly registry: Registry
    readonly text: string
    readonly limit: number
    readonly signal: AbortSignal
  },
): Promise<FoundPackage[] | undefined> {
  const { registry, text, limit, signal } = search
  const query = new URLSearchParams({ text, size: String(limit) })
  const response = await upstream.request({
    url: new URL(`${registry.url}-/v1/search?${query.toString()}`),
    credentialsFor: (url) =>
      registries.owns(registry, url) ? registries.credentialsFor(url) : undefined,
    ...{ retries: 0, timeoutMs: TIMEOUT_MS, signal },
  })
  if (response.status !== 200 || response.headers['content-encoding'] !== undefined) {
    discard(response)
    return undefined
  }
  const body = await readBody(response, { maxBytes: MAX_BYTES, signal })
  const { objects } = answerSchema.parse(JSON.parse(body.toString('utf8')))
  return objects
    .map((each) => toFound(each.package))
    .filter(({ name, version }) => isPackageName(name) && isVersion(version))
    .slice(0, limit)
}

function toFound(
  listed: z.output<typeof answerSchema>['objects'][number]['package'],
): FoundPackage {
  const { name, version, description, keywords, date } = listed
  return {
    ...{ name, version },
    description: boundedText(description, SUMMARY_LIMITS.description),
    keywords: boundedKeywords(keywords),
    publishedAtMs: toMs(date),
  }
}
