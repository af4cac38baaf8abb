/**
 * Registry calls that are not ours: login, publish, search, audit, attestations. Streamed to the upstream of the package they
 * are about; its status comes back, and of its headers what clients read. The client's own credentials go along, and only
 * there. The gateway's own do for calls that only read about packages, never for acting in its user's name on behalf of any
 * local process.
 */
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import { REFUSALS } from '../packuments/packument-fetch.ts'
import { noUpstream, type PublishWords } from '../http/api-errors.ts'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Exchange } from '../http/exchange.ts'
import { passedHeaders } from './answer-headers.ts'
import { auditForm, readAuditBody } from './audit-body.ts'
import { plainPhrase } from '../http/respond.ts'
import { hasFollowedUrls, MAX_FOLLOWED_BYTES, spellAsOurs } from './follow-urls.ts'
import { refusalHint, withHint } from './login-hint.ts'
import type { AnswerKey } from './kept-answers.ts'
import {
  isKeepable,
  keptKey,
  sendAndKeep,
  sendKept,
  type KeptReadsDependencies,
} from './kept-reads.ts'
import { isPackageRead } from './package-read.ts'
import { answerVersion, parseVersionCall } from './version-document.ts'
import { sendVersionAtHand, type VersionAtHandDependencies } from './version-at-hand.ts'
import type { Credentials } from '../upstream/credentials.ts'
import { nameIn, type Registries, type Registry } from '../upstream/registries.ts'
import {
  discard,
  readBody,
  unreachable,
  type Upstream,
  type UpstreamResponse,
} from '../upstream/upstream.ts'

export interface PassthroughDependencies extends KeptReadsDependencies, VersionAtHandDependencies {
  readonly registries: Registries
  readonly upstream: Upstream
}

export interface PassthroughOptions {
  readonly maxUploadBytes: number
  /** Goes into Via, so that a loop is seen even through other proxies. */
  readonly instance: string
  /** Packages that the user calls private; undefined: none. */
  readonly isPrivate?: ((name: string) => boolean) | undefined
}

// RFC 9110 7.6.1, and what belongs to this hop or to a browser.
const NOT_FORWARDED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  'authorization',
  'content-length',
  'cookie',
  'origin',
  'referer',
  'x-catalog-token',
])
export interface PassedRequest {
  readonly exchange: Exchange
  readonly name: string | undefined
  readonly scope?: string | undefined
  /** Called when upstream has answered, or has failed to, before the client hears of it. */
  readonly onSettled?: () => void
  /** For who publishes. */
  readonly words?: PublishWords
}

/** Passes a request on and its answer back. */
export async function passThrough(
  deps: PassthroughDependencies,
  options: PassthroughOptions,
  { exchange, name, scope, onSettled, words }: PassedRequest,
): Promise<void> {
  const { res, signal, target } = exchange
  const about = name ?? nameIn(scope ?? target.scope)
  const registry = deps.registries.forName(about)
  const { method, path: url } = target
  const home = deps.registries.homeOf(about)
  const key = keptKey(deps, target, home)
  const call = parseVersionCall(target)
  const sendOld = async (): Promise<boolean> => {
    if (sendKept(deps, exchange, { key, registry: home })) return true
    return call !== undefined && (await sendVersionAtHand(deps, exchange, { call, registry: home }))
  }
  if (registry === null) {
    if (await sendOld()) return
    throw noUpstream({ method, url }, words?.instead)
  }
  const client = clientCredentials(deps.registries, exchange, about)
  const hasOwn = client !== undefined
  let response: UpstreamResponse
  try {
    response = await ask(deps, options, { exchange, registry, client })
  } catch (error) {
    if (isCatalogError(error, 'UPSTREAM_UNREACHABLE') && (await sendOld())) return
    throw error
  } finally {
    onSettled?.()
  }
  if (key !== undefined && REFUSALS.has(response.status)) deps.kept.remove(key)
  if (response.status >= 500 && (await sendOld())) return discard(response)
  res.statusCode = response.status
  if (response.statusText !== '') res.statusMessage = plainPhrase(response.statusText)
  const context = { ...response, registry: registry.url, base: exchange.base }
  for (const [key, value] of Object.entries(passedHeaders(response.headers, context))) {
    res.setHeader(key, value)
  }
  if (call !== undefined) {
    const isGuarded = response.withCredentials && !isPackageRead(target) && !hasOwn
    const onDocument = key && isKeepable(response) ? keepAs(deps, key) : undefined
    const answered = { response, call, registry, isGuarded, onDocument }
    if (await answerVersion(exchange, answered)) return
  } else if (key !== undefined && isKeepable(response) && method === 'GET') {
    return sendAndKeep(deps, exchange, { key, response })
  }
  if (words !== undefined && response.status < 300 && !res.hasHeader('npm-notice')) {
    res.setHeader('npm-notice', words.taken)
  }
  const hint = refusalHint(deps.registries, exchange, { response, registry, about, words })
  if (hint !== undefined) {
    res.removeHeader('content-encoding')
    res.setHeader('content-type', 'application/json; charset=utf-8')
    // npm always prints this, the words not of every status; the others print the words.
    if (!res.hasHeader('npm-notice')) res.setHeader('npm-notice', hint)
    return sendBody(res, await withHint(response, hint, signal))
  }
  if (!hasFollowedUrls({ ...response, method, url })) {
    return pipeline(response.body, res, { signal })
  }
  const body = await readBody(response, { maxBytes: MAX_FOLLOWED_BYTES, signal })
  const coding = response.headers['content-encoding']
  const ours = await spellAsOurs(body, coding, { registry, base: exchange.base })
  if (ours !== undefined) res.removeHeader('content-encoding')
  sendBody(res, ours ?? body)
}

function keepAs({ kept }: PassthroughDependencies, key: AnswerKey): (body: Uint8Array) => void {
  return (body) => kept.put(key, { type: 'application/json', body })
}

function sendBody(res: ServerResponse, body: Buffer): void {
  res.setHeader('content-length', body.byteLength)
  res.end(body)
}

async function ask(
  deps: PassthroughDependencies,
  options: PassthroughOptions,
  {
    exchange,
    registry,
    client,
  }: { exchange: Exchange; registry: Registry; client: Credentials | undefined },
): Promise<UpstreamResponse> {
  const { req, signal, target } = exchange
  // A tag is looked at as well, once it is answered.
  const isRead = isPackageRead(target) || parseVersionCall(target) !== undefined
  // An install waits for its audit: not once more for an upstream that has just not been there.
  if (isRead && deps.upstream.isDown(registry.origin)) {
    throw unreachable(new URL(registry.url), new Error('it has just not answered'))
  }
  // Without a turn of the event loop in between: the body may be flowing to another reader already.
  const reading = auditBody(deps, options, { req, registry })
  const audit = reading && (await reading)
  const body = audit ? Readable.from([audit]) : bodyOf(req, options.maxUploadBytes)
  const via = [req.headers.via, `1.1 ${options.instance}`].filter((one) => one !== undefined)
  const length = audit?.byteLength.toString() ?? req.headers['content-length']
  return deps.upstream.request({
    url: new URL(registry.url + target.path.slice(1)),
    method: target.method,
    headers: {
      ...forwarded(req.headers),
      via: via.join(', '),
      ...(body !== undefined && length !== undefined && { 'content-length': length }),
    },
    credentialsFor: (url) => {
      if (!deps.registries.owns(registry, url)) return undefined
      return client ?? (isRead ? deps.registries.credentialsFor(url) : undefined)
    },
    ...(body !== undefined && { body }),
    // A client that only asks whether something is there gets a quick answer.
    ...(target.method === 'HEAD' && { retries: 0 }),
    // Like all of the daemon's own credentials, for reading only.
    certificate: isRead,
    // The client decides: it may want to see where it is sent.
    followRedirects: false,
    signal,
  })
}

/** undefined: it is no audit, or there is nothing that must not be named to this registry. */
function auditBody(
  { registries }: PassthroughDependencies,
  { isPrivate }: PassthroughOptions,
  { req, registry }: { req: IncomingMessage; registry: Registry },
): Promise<Buffer> | undefined {
  const { method = 'GET', url = '/' } = req
  const form = auditForm(method, url)
  if (form === undefined || registry.url !== registries.main?.url) return undefined
  if (!registries.hasOthers() && isPrivate === undefined) return undefined
  return readAuditBody(
    req,
    form,
    (name) => isPrivate?.(name) !== true && registries.isHome(registry, name),
  )
}

function forwarded(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').toLowerCase().split(/\s*,\s*/))
  const kept: Record<string, string | string[]> = {}
  for (const [key, value] of Object.entries(headers)) {
    if (value !== undefined && !NOT_FORWARDED.has(key) && !named.has(key)) kept[key] = value
  }
  return kept
}

/** @throws CatalogError INVALID_OPTIONS with status 413 when it says, or turns out, to be too long */
function bodyOf(req: IncomingMessage, maxBytes: number): Readable | undefined {
  const length = req.headers['content-length']
  if (length === undefined && req.headers['transfer-encoding'] === undefined) return undefined
  if (Number(length) === 0) return undefined
  if (Number(length) > maxBytes) throw tooLarge(maxBytes)
  let received = 0
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.byteLength
      if (received > maxBytes) done(tooLarge(maxBytes))
      else done(null, chunk)
    },
  })
  req.once('error', (error) => limit.destroy(error))
  req.once('aborted', () => limit.destroy(new Error('the client has gone')))
  return req.pipe(limit)
}

export function tooLarge(maxBytes: number): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `the body is larger than ${maxBytes} bytes`, {
    status: 413,
  })
}
