/**
 * `npm login` in a browser: the page where its user shows the gateway's token, and what npm asks meanwhile. Whoever opens the page can do
 * nothing without that token, and no page of another origin gets here (http/browser-guard.ts).
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Exchange } from '../http/exchange.ts'
import { isToken } from '../http/is-token.ts'
import { readBody } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'
import type { LoginRoute } from '../http/route.ts'
import { setSecurityHeaders } from '../http/security-headers.ts'
import { LOGIN_POLICY, loginPage, type LoginPage } from './login-page.ts'
import type { WebLogins } from './web-logins.ts'

const MAX_FORM_BYTES = 4 * 1024
const STATUS: Readonly<Record<LoginPage, number>> = { ask: 200, wrong: 403, done: 200, over: 404 }

/** POST /-/v1/login. https://github.com/npm/npm-profile */
export function beginWebLogin(logins: WebLogins, { req, res, base }: Exchange): void {
  const { code, secret } = logins.begin()
  const at = `${base}/-/catalog/login`
  const body = { loginUrl: `${at}/${code}`, doneUrl: `${at}/done/${secret}` }
  sendJson(req, res, { status: 200, body })
}

/** @throws CatalogError NOT_FOUND where there is no token, INVALID_OPTIONS */
export async function answerWebLogin(
  { logins, token }: { readonly logins: WebLogins; readonly token: string | undefined },
  exchange: Exchange,
  { code, isDone }: LoginRoute,
): Promise<void> {
  if (token === undefined) throw new CatalogError('NOT_FOUND', 'nobody logs in to this gateway')
  const { method = 'GET' } = exchange.req
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isRead && (isDone || method !== 'POST')) {
    throw new CatalogError('INVALID_OPTIONS', `no ${method} here`, { status: 405 })
  }
  if (isDone) return answerDone(logins, token, exchange, code)
  if (!logins.isUnderWay(code)) return sendPage(exchange, 'over')
  if (isRead) return sendPage(exchange, 'ask')
  const form = new URLSearchParams((await readBody(exchange, MAX_FORM_BYTES)).toString('utf8'))
  if (!isToken(token, form.get('token')?.trim())) return sendPage(exchange, 'wrong')
  logins.approve(code)
  sendPage(exchange, 'done')
}

function answerDone(
  logins: WebLogins,
  token: string,
  { req, res }: Exchange,
  secret: string,
): void {
  const state = logins.ask(secret)
  if (state === undefined)
    throw new CatalogError('NOT_FOUND', 'this login is over', { hint: 'run it again' })
  if (state === 'approved') return sendJson(req, res, { status: 200, body: { token } })
  res.setHeader('retry-after', 1)
  sendJson(req, res, { status: 202, body: {} })
}

function sendPage({ req, res }: Exchange, page: LoginPage): void {
  const body = loginPage(page)
  setSecurityHeaders(res, LOGIN_POLICY)
  res.statusCode = STATUS[page]
  res.setHeader('content-type', 'text/html; charset=utf-8')
  res.setHeader('content-length', body.byteLength)
  res.setHeader('cache-control', 'no-store')
  // Not "no-referrer": a form would then come from the origin "null".
  res.setHeader('referrer-policy', 'same-origin')
  res.end(req.method === 'HEAD' ? undefined : body)
}
