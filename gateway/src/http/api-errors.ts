/**
 * What a call of the registry API gets when there is no registry behind this gateway (peers only). The statuses are chosen
 * by what clients do with them: npm and pnpm try a 5xx again for more than a minute (but not after a POST), and to npm's
 * libraries a package that answers 404 is unpublished already. docs/clients.md says what each command then prints.
 */
import { CatalogError } from '@catalog-p2p/core'

export interface ApiCall {
  readonly method: string
  /** Path and query. */
  readonly url: string
}

/** To who publishes to a registry, and may have meant the network. */
export interface PublishWords {
  /** It was taken. */
  readonly taken: string
  /** It was refused. */
  readonly refused: string
  /** There is no registry. */
  readonly instead: string
}

const HINT = 'start it with an upstream, or point the client at a registry'

/** The error to answer with, and what to do `instead` of a change; never a status that makes a client try again, or go on to ask for a password. */
export function noUpstream({ method, url }: ApiCall, instead?: string): CatalogError {
  const path = url.split('?', 1)[0] ?? ''
  if (path.startsWith('/-/npm/v1/security/')) {
    // An empty report would say that all is well. An install says nothing about this; audits say that there is no endpoint.
    return refusal(404, 'no upstream registry (peers only), so nobody to ask for advisories')
  }
  if (path === '/-/v1/login') {
    // At a 4xx or a 500, npm asks for a name and a password and tries the old way.
    return refusal(503, 'no upstream registry (peers only), so there is nowhere to log in')
  }
  const isRead = method === 'GET' || method === 'HEAD'
  const isBeforeWrite = /[?&]write=true(&|$)/.test(url)
  if (isRead && !isBeforeWrite) {
    return refusal(404, 'no upstream registry (peers only), so it cannot answer this call')
  }
  const why = 'no upstream registry (peers only), so nothing can be published or changed'
  return refusal(405, why, instead)
}

function refusal(status: number, why: string, hint = HINT): CatalogError {
  const code = status === 404 ? 'NOT_FOUND' : 'UPSTREAM_UNREACHABLE'
  const allow = status === 405 ? { allow: 'GET, HEAD' } : {}
  return new CatalogError(code, `this gateway has ${why}`, { status, hint, ...allow })
}
