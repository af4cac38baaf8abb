/**
 * HEAD of metadata that is not at hand: the registry is asked for no more either. pnpm asks so how old a package is, `catalog exec`
 * whether the registry can be used; reading and parsing whole documents for them would cost more than the rest of a frozen
 * install. Nothing is kept. Whatever is not plainly "here it is", and from the registry at once, is left to the usual way, which
 * knows what to make of it: it has old copies, peers and the machine that asks for all.
 */
import { isCatalogError } from '@catalog-p2p/core'
import type { Members } from './members/members.ts'
import type { PackumentCache } from './cache/packument-cache.ts'
import type { Question } from './packument-request.ts'
import type { SilentRegistry } from './silent-registry.ts'
import type { Registries } from '../upstream/registries.ts'
import { discard, type Upstream } from '../upstream/upstream.ts'

export interface HeadDependencies {
  readonly registries: Pick<Registries, 'forName' | 'credentialsAt'>
  readonly upstream: Pick<Upstream, 'request' | 'isDown'>
  readonly cache: Pick<PackumentCache, 'findByName' | 'epochOf'>
  readonly silence: SilentRegistry
  readonly members?: Pick<Members, 'delegateFor'> | undefined
}

/** What the registry says in the head of its answer. */
export interface PackumentHead {
  readonly lastModified: string | undefined
}

const ACCEPT = {
  full: 'application/json',
  abbreviated: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
} as const
/** For one that answers others. */
const TIMEOUT_MS = 5_000

/** undefined: to be found out in the usual way. Rejects with the signal's reason. */
export async function askHead(
  deps: HeadDependencies,
  question: Question,
): Promise<PackumentHead | undefined> {
  const { registries, upstream, silence } = deps
  const { request, view, registry } = question
  const { name, kind, signal } = request
  if (!isForRegistry(deps, question)) return undefined
  const leaving = new AbortController()
  const over = new AbortController()
  silence.whenSilent(registry.origin, AbortSignal.any([signal, over.signal])).then(
    () => leaving.abort(),
    () => undefined, // it is over
  )
  try {
    const response = await upstream.request({
      url: new URL(registry.url + name.replace('/', '%2f')),
      method: 'HEAD',
      headers: { accept: ACCEPT[kind] },
      credentialsFor: (url) => registries.credentialsAt(registry, url, view.credentials),
      keepsConnection: true, // pnpm asks for hundreds before a frozen install
      retries: 0,
      timeoutMs: TIMEOUT_MS,
      signal: AbortSignal.any([signal, leaving.signal]),
    })
    discard(response)
    const { 'content-type': type = '', 'last-modified': lastModified } = response.headers
    return response.status === 200 && /json/i.test(type) ? { lastModified } : undefined
  } catch (error) {
    signal.throwIfAborted()
    if (leaving.signal.aborted || isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return undefined
    throw error
  } finally {
    over.abort()
  }
}

function isForRegistry(
  { registries, upstream, cache, members }: HeadDependencies,
  { request, view, registry }: Question,
): boolean {
  const { name } = request
  if (registries.forName(name) === null || request.upstream === 'never') return false
  if (upstream.isDown(registry.origin)) return false
  // A full document can be confirmed for either kind; the other one is no help to who wants that.
  const old = cache.findByName(registry.url, name, view.owners)
  if (old.some(({ kind }) => kind === 'full' || request.kind === kind)) return false
  const at = { old: undefined, epoch: cache.epochOf(name) }
  return members?.delegateFor({ request, view, registry }, at) === undefined
}
