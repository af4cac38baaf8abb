/**
 * HEAD of metadata that is not at hand: the registry is asked for no more either. pnpm asks so how old a package is, `catalog exec`
 * whether the registry can be used; reading and parsing whole documents for them would cost more than the rest of a frozen
 * install. Nothing is kept. Whatever is not plainly "here it is" is left to the usual way, which knows what to make of it.
 */
import { isCatalogError } from '@catalog-p2p/core'
import { findAnswer, type AtHandDependencies } from './documents-at-hand.ts'
import type { Question } from './packument-request.ts'
import type { Registries } from '../upstream/registries.ts'
import { discard, type Upstream } from '../upstream/upstream.ts'

export interface HeadDependencies extends AtHandDependencies {
  readonly registries: Pick<Registries, 'forName' | 'credentialsAt'>
  readonly upstream: Upstream
}

/** What the registry says in the head of its answer. */
export interface PackumentHead {
  readonly lastModified: string | undefined
}

const ACCEPT = {
  full: 'application/json',
  abbreviated: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
} as const

/** undefined: to be found out in the usual way. Rejects with the signal's reason. */
export async function askHead(
  deps: HeadDependencies,
  question: Question,
): Promise<PackumentHead | undefined> {
  const { registries, upstream } = deps
  const { request, view } = question
  const { name, kind, signal } = request
  const registry = registries.forName(name)
  if (registry === null || request.upstream === 'never') return undefined
  if ((await findAnswer(deps, question)) !== undefined) return undefined
  try {
    const response = await upstream.request({
      url: new URL(registry.url + name.replace('/', '%2f')),
      method: 'HEAD',
      headers: { accept: ACCEPT[kind] },
      credentialsFor: (url) => registries.credentialsAt(registry, url, view.credentials),
      retries: 0,
      signal,
    })
    discard(response)
    const { 'content-type': type = '', 'last-modified': lastModified } = response.headers
    return response.status === 200 && /json/i.test(type) ? { lastModified } : undefined
  } catch (error) {
    if (isCatalogError(error, 'UPSTREAM_UNREACHABLE')) return undefined
    throw error
  }
}
