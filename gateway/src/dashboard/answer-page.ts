/** GET of the dashboard and of its files: the same for everybody, as nothing of this machine is in them. */
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { isNotModified } from '../http/respond.ts'
import { setSecurityHeaders } from '../http/security-headers.ts'
import { loadPage, type Page } from './page-files.ts'

const PATH = '/-/catalog/ui'

let loading: Promise<Page> | undefined

/** @throws CatalogError NOT_FOUND for a file that the page does not have */
export async function answerPage(exchange: Exchange, name: string | undefined): Promise<void> {
  const { req, res, target } = exchange
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw new CatalogError('INVALID_OPTIONS', 'only GET and HEAD here', { status: 405 })
  }
  // Its links are relative to the name without a slash.
  if (name === undefined && target.path.split('?', 1)[0] !== PATH) return redirectToPage(exchange)
  const page = await (loading ??= loadPage().catch((error: unknown) => {
    loading = undefined
    throw error
  }))
  const file = name === undefined ? page.html : page.files.get(name)
  if (file === undefined) throw new CatalogError('NOT_FOUND', 'the dashboard has no such file')
  if (name === undefined) setSecurityHeaders(res, page.policy)
  res.setHeader('etag', file.etag)
  res.setHeader('cache-control', 'no-cache')
  res.setHeader('referrer-policy', 'no-referrer')
  if (isNotModified(req, file.etag)) {
    res.statusCode = 304
    res.end()
    return
  }
  res.setHeader('content-type', file.type)
  res.setHeader('content-length', file.body.byteLength)
  res.end(req.method === 'HEAD' ? undefined : file.body)
}

/** A browser at the gateway's own address. Package managers never ask for HTML. */
export function wantsPage({ req, target }: Exchange): boolean {
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  return isRead && target.path === '/' && target.mount === '' && takesHtml(req.headers.accept)
}

export function redirectToPage({ res, base }: Pick<Exchange, 'res' | 'base'>): void {
  res.statusCode = 302
  res.setHeader('location', base + PATH)
  res.setHeader('cache-control', 'no-store')
  res.setHeader('content-length', 0)
  res.end()
}

function takesHtml(accept = ''): boolean {
  return accept.split(',').some((part) => /^\s*text\/html\s*(?:;|$)/i.test(part))
}
