/**
 * Whether a package's metadata can be had from its registry, as the gateway would ask for it, without having it: one request for
 * the head of the answer, where metadata at hand does not answer already. Nothing is read, parsed or kept.
 */
import { findAnswer, type AtHandDependencies } from './documents-at-hand.ts'
import type { Question } from './packument-request.ts'
import type { Registries } from '../upstream/registries.ts'
import { discard, type Upstream } from '../upstream/upstream.ts'

export interface GivenDependencies extends AtHandDependencies {
  readonly registries: Pick<Registries, 'forName' | 'credentialsAt'>
  readonly upstream: Upstream
}

const ACCEPT = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*'

/** False says little: some registries answer no such request. @throws CatalogError UPSTREAM_UNREACHABLE; `signal.reason` */
export async function askWhetherGiven(
  deps: GivenDependencies,
  question: Question,
): Promise<boolean> {
  const { registries, upstream } = deps
  const { request, view } = question
  const { name, signal } = request
  const registry = registries.forName(name)
  if (registry === null) return false
  if ((await findAnswer(deps, question)) !== undefined) return true
  const response = await upstream.request({
    url: new URL(registry.url + name.replace('/', '%2f')),
    method: 'HEAD',
    headers: { accept: ACCEPT },
    credentialsFor: (url) => registries.credentialsAt(registry, url, view.credentials),
    retries: 0,
    signal,
  })
  discard(response)
  return response.status === 200
}
