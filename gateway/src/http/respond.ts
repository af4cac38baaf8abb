/**
 * Answers: the only place that turns a CatalogError into an HTTP status, and the only one that writes npm's error shape.
 * Says what the user needs and no more: no stack, no path, no credentials (CatalogError redacts them).
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { isCatalogError, type CatalogError } from '@catalog-p2p/core'
import { setSecurityHeaders } from './security-headers.ts'

const MAX_PHRASE = 200
/** Facts of an error that clients look for in headers. */
const SAID_IN_HEADERS = [
  ['allow', 'allow'],
  ['notice', 'npm-notice'],
  ['authenticate', 'www-authenticate'],
  ['retryAfter', 'retry-after'],
] as const

/** The HTTP status for an error; what is not a CatalogError is a bug, hence 500. */
export function statusOf(error: unknown): number {
  if (!isCatalogError(error)) return 500
  const { status } = error.details
  switch (error.kind) {
    case 'input':
      return typeof status === 'number' ? status : 400
    case 'absent':
      return 404
    case 'upstream':
    case 'peer':
      return isOwnStatus(status) ? status : 502
    case 'integrity':
      return 502
    case 'local':
    case 'lifecycle':
      return 503
  }
}

// What upstream itself said to this client, or asks of it; its own troubles are a bad gateway.
function isOwnStatus(status: unknown): status is number {
  return typeof status === 'number' && ((status >= 400 && status < 500) || status === 503)
}

/** npm, pnpm and Yarn print `error`; the hint goes into the same sentence. */
export function errorBody(error: unknown): { error: string; code?: string } {
  if (!isCatalogError(error)) return { error: 'catalog: internal error, see the log' }
  return { error: withHint(saidBy(error) ?? error.message, error), code: error.code }
}

/** Upstream's own words. */
function saidBy({ details: { text } }: CatalogError): string | undefined {
  return typeof text === 'string' ? text : undefined
}

function withHint(text: string, error: CatalogError): string {
  return error.hint === undefined ? text : `${text} (${error.hint})`
}

export function sendError(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    // Too late for an error: cut the answer off, so that it can't be taken for a complete one.
    res.destroy()
    return
  }
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  setSecurityHeaders(res)
  for (const [fact, name] of SAID_IN_HEADERS) {
    const value = isCatalogError(error) ? error.details[fact] : undefined
    if (typeof value === 'string') res.setHeader(name, value)
  }
  // The body of the request may not have been read: the connection can't be used again.
  if (statusOf(error) === 413) res.setHeader('connection', 'close')
  const body = errorBody(error)
  const isExplained =
    isCatalogError(error) &&
    (error.kind === 'upstream' || error.code === 'DENIED' || error.code === 'PEER_TIMEOUT')
  const reason = isExplained ? (saidBy(error) ?? error.message) : undefined
  sendJson(req, res, { status: statusOf(error), body, reason })
}

export function sendJson(
  req: IncomingMessage,
  res: ServerResponse,
  answer: { status: number; body: unknown; reason?: string | undefined },
): void {
  const bytes = Buffer.from(JSON.stringify(answer.body))
  res.statusCode = answer.status
  if (answer.reason !== undefined) res.statusMessage = phraseOf(answer.status, answer.reason)
  res.setHeader('content-type', 'application/json; charset=utf-8')
  res.setHeader('content-length', bytes.byteLength)
  if (!res.hasHeader('cache-control')) res.setHeader('cache-control', 'no-store')
  res.end(req.method === 'HEAD' ? undefined : bytes)
}

/** Yarn and pnpm print the line of the status, and not the body. https://www.rfc-editor.org/rfc/rfc9112#section-4 */
function phraseOf(status: number, reason: string): string {
  return [STATUS_CODES[status], plainPhrase(reason)].filter(Boolean).join(': ')
}

/** What may stand in a status line. */
export function plainPhrase(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_PHRASE)
}

/** True when the client's If-None-Match names `etag` (weak comparison, RFC 9110 8.8.3.2). */
export function isNotModified(req: IncomingMessage, etag: string): boolean {
  const given = req.headers['if-none-match']
  if (given === undefined) return false
  if (given === etag || given.trim() === '*') return true
  const opaque = (tag: string): string => tag.trim().replace(/^W\//, '')
  return given.split(',').some((one) => opaque(one) === opaque(etag))
}
