/**
 * The one HTTP client towards registries: timeouts, bounded retries with backoff, redirects, proxies, npm's TLS settings.
 * Credentials are looked up again for every hop, so they can never follow a redirect to somewhere they do not belong.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import { askOnce } from './ask-once.ts'
import { createBackOff } from './back-off.ts'
import { createStallGuard } from './stall-guard.ts'
import type { Credentials } from './credentials.ts'
import type { Connections } from './dispatcher.ts'
import { OriginHealth } from './origin-health.ts'
import { backoffMs, isRetriedStatus, isTimeout, pause } from './retry.ts'
import { readChunks } from './read-chunks.ts'
import { redactUrl } from '../http/redact-url.ts'

export interface UpstreamRequest {
  readonly url: URL
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** Asked for every hop; undefined sends none. */
  readonly credentialsFor?: (url: URL) => Credentials | undefined
  /** false: without the client certificate that npm's configuration has for the place, where it would act for its user. */
  readonly certificate?: boolean
  /**
   * For HEAD alone. A server may send a body all the same, which would be taken for the next answer, so the connection is closed after HEAD.
   * true: it stays open, and nothing but such requests uses it; a failure may then be such a body, and is no sign that the origin is down.
   */
  readonly keepsConnection?: true
  /** Sent once: a request with a body is neither retried nor redirected. */
  readonly body?: Readable
  readonly signal: AbortSignal
  /** Further tries, instead of the default. After a timeout there is none: the caller has waited long enough by then. */
  readonly retries?: number
  /** For its headers, milliseconds, if that is less than the default. For questions that nobody should wait long for. */
  readonly timeoutMs?: number
  /** false returns a redirect as it is. */
  readonly followRedirects?: boolean
}

export interface UpstreamResponse {
  readonly status: number
  /** Of the status line; some registries give their reason there. */
  readonly statusText: string
  readonly headers: IncomingHttpHeaders
  /** Must be read to its end, or given to `discard`. */
  readonly body: Readable
  /** After redirects. */
  readonly url: URL
  /** True when any hop carried credentials: the target of a redirect may be meant for their owner alone. */
  readonly withCredentials: boolean
  /** How long its body may be silent. */
  readonly silenceMs: number
}

export interface UpstreamCounts {
  requests: number
  failures: number
  bytes: number
}

export interface Upstream {
  /**
   * Resolves with whatever status the registry gives once retries are used up.
   * @throws CatalogError UPSTREAM_UNREACHABLE for network failures and timeouts, with status 429 while the registry has asked
   * to be left alone; `signal.reason` when aborted
   */
  request(request: UpstreamRequest): Promise<UpstreamResponse>
  /** True shortly after a network failure: an old copy should be served then, without waiting. */
  isDown(origin: string): boolean
  /** True when nothing has come from there since (`performance.now()`), though it has not asked to be left alone. */
  isSilent(origin: string, sinceMs: number): boolean
  readonly counts: UpstreamCounts
  close(): Promise<void>
}

export interface UpstreamOptions {
  /** For the headers of an answer. */
  readonly timeoutMs: number
  readonly retries: number
  readonly userAgent: string
}

/** A registry may think for minutes before it answers; one that falls silent in the middle of a body has gone. */
const MAX_SILENCE_MS = 60_000
const MAX_REDIRECTS = 5
const MAX_DISCARDED_BYTES = 64 * 1024
/** How long a request waits for a registry that gets too many of them; then its client is told. */
const MAX_BUSY_MS = 10_000
const BUSY = 429
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export function createUpstream(
  deps: { dispatcher: Connections },
  options: UpstreamOptions,
): Upstream {
  return new HttpUpstream(deps.dispatcher, options)
}

class HttpUpstream implements Upstream {
  readonly counts: UpstreamCounts = { requests: 0, failures: 0, bytes: 0 }
  readonly #dispatcher: Connections
  readonly #options: UpstreamOptions
  readonly #health = new OriginHealth()
  readonly #backOff = createBackOff()

  constructor(dispatcher: Connections, options: UpstreamOptions) {
    this.#dispatcher = dispatcher
    this.#options = options
  }

  isDown(origin: string): boolean {
    return this.#health.isDown(origin)
  }

  isSilent(origin: string, sinceMs: number): boolean {
    return !this.#health.hasAnswered(origin, sinceMs) && this.#backOff.until(origin) === 0
  }

  async request(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { method = 'GET', signal } = request
    const idempotent = (method === 'GET' || method === 'HEAD') && request.body === undefined
    const tries = idempotent ? (request.retries ?? this.#options.retries) : 0
    // A request that changes something is sent in any case, and once.
    const deadlineMs = idempotent ? Date.now() + (tries > 0 ? MAX_BUSY_MS : 0) : undefined
    for (let attempt = 0; ; attempt += 1) {
      try {
        const response = await this.#follow(request, deadlineMs)
        if (attempt >= tries || !isRetriedStatus(response.status)) return response
        const isBusy = response.status === BUSY
        if (isBusy && this.#backOff.until(response.url.origin) > (deadlineMs ?? 0)) return response
        discard(response)
        if (isBusy) continue // it waits with all the others
        await pause(backoffMs(attempt, response.headers['retry-after']), signal)
      } catch (error) {
        if (signal.aborted) throw signal.reason
        if (attempt >= tries || !isCatalogError(error, 'UPSTREAM_UNREACHABLE')) throw error
        if (isTimeout(error.cause) || error.details.status === BUSY) throw error
        await pause(backoffMs(attempt, undefined), signal)
      }
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }

  /**
   * One try, with its redirects.
   * @param deadlineMs until when it waits for a registry that is busy, Unix time; undefined: it asks in any case
   */
  async #follow(
    request: UpstreamRequest,
    deadlineMs: number | undefined,
  ): Promise<UpstreamResponse> {
    let { url } = request
    const { signal } = request
    let withCredentials = false
    for (let hops = 0; ; hops += 1) {
      if (deadlineMs !== undefined) await this.#backOff.enter(url.origin, { deadlineMs, signal })
      const hop = await this.#send(url, request)
      withCredentials ||= hop.withCredentials
      const response = { ...hop, withCredentials }
      const location = response.headers.location
      const follow = request.followRedirects !== false && request.body === undefined
      if (!follow || !REDIRECTS.has(response.status) || location === undefined) return response
      discard(response)
      if (hops >= MAX_REDIRECTS) throw unusable(url, 'too many redirects')
      url = nextHop(url, location)
    }
  }

  async #send(url: URL, request: UpstreamRequest): Promise<UpstreamResponse> {
    const { origin } = url
    this.counts.requests += 1
    try {
      const response = await this.#exchange(url, request)
      const { status, headers } = response
      this.#health.answered(origin)
      const outcome = status === BUSY ? 'busy' : 'answered'
      this.#backOff.leave(origin, outcome, headers['retry-after']?.toString())
      return response
    } catch (error) {
      this.#backOff.leave(origin, 'failed')
      if (request.signal.aborted) throw request.signal.reason
      if (isCatalogError(error)) throw error // the body's own: it is too large
      this.counts.failures += 1
      // A request in a hurry that gets no answer has not shown that there is none.
      const isHasty = request.timeoutMs !== undefined && isTimeout(error)
      if (!isHasty && request.keepsConnection !== true) this.#health.failed(origin)
      throw unreachable(url, error)
    }
  }

  async #exchange(url: URL, request: UpstreamRequest): Promise<UpstreamResponse> {
    const { timeoutMs, userAgent } = this.#options
    const silenceMs = Math.min(timeoutMs, MAX_SILENCE_MS)
    const credentials = request.credentialsFor?.(url)
    const { certificate = true, method = 'GET', keepsConnection = false } = request
    const apart = keepsConnection && method === 'HEAD'
    const dispatcher = this.#dispatcher.to(url, { certificate, apart })
    const answer = await askOnce(dispatcher, {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        'user-agent': userAgent,
        ...request.headers,
        ...(credentials && { authorization: credentials.authorization }),
      },
      body: request.body ?? null,
      ...(apart && { reset: false }),
      signal: request.signal,
      headersTimeout: Math.min(request.timeoutMs ?? Infinity, timeoutMs),
      bodyTimeout: silenceMs,
    })
    return { ...answer, url, withCredentials: credentials !== undefined, silenceMs }
  }
}

function nextHop(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw unusable(from, 'redirects to what is no URL')
  const to = new URL(location, from.href)
  const downgrade = from.protocol === 'https:' && to.protocol !== 'https:'
  if (downgrade || !/^https?:$/.test(to.protocol)) {
    throw unusable(from, `redirects to ${to.protocol}`)
  }
  to.username = ''
  to.password = ''
  return to
}

/** Gives up a body that is not wanted; a short one is read, so that its connection can be used again. */
export function discard({ body, headers }: Pick<UpstreamResponse, 'body' | 'headers'>): void {
  // Not before the first bytes: the answer to HEAD declares a length and has none.
  const isLong = Number(headers['content-length'] ?? 0) > MAX_DISCARDED_BYTES
  let left = isLong ? 0 : MAX_DISCARDED_BYTES
  body.on('data', (chunk: Buffer) => {
    left -= chunk.byteLength
    if (left < 0) body.destroy()
  })
}

/**
 * The whole body, at most `maxBytes`.
 * @throws CatalogError UPSTREAM_UNREACHABLE when it breaks off or trickles, UPSTREAM_REJECTED when it is longer
 */
export async function readBody(
  response: UpstreamResponse,
  limits: { maxBytes: number; signal: AbortSignal; counts?: UpstreamCounts },
): Promise<Buffer> {
  const declared = Number(response.headers['content-length'] ?? 0)
  const chunks: Buffer[] = []
  let size = 0
  const guard = createStallGuard(response.silenceMs, performance.now())
  try {
    if (declared > limits.maxBytes) throw unusable(response.url, `${declared} bytes are too many`)
    await readChunks(response.body, (chunk) => {
      size += chunk.byteLength
      if (limits.counts !== undefined) limits.counts.bytes += chunk.byteLength
      if (size > limits.maxBytes) throw unusable(response.url, `more than ${limits.maxBytes} bytes`)
      const tooSlow = guard.record(chunk.byteLength, performance.now())
      if (tooSlow !== undefined) throw unreachable(response.url, new Error(tooSlow))
      chunks.push(chunk)
    })
  } catch (error) {
    discard(response)
    if (limits.signal.aborted) throw limits.signal.reason
    throw isCatalogError(error) ? error : unreachable(response.url, error)
  }
  return Buffer.concat(chunks, size)
}

export function unreachable(url: URL, cause: unknown): CatalogError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CatalogError('UPSTREAM_UNREACHABLE', `${url.origin} cannot be reached: ${why}`, {
    cause,
    hint: 'check the network and the registry setting of npm, or start with --peers-only',
  })
}

export function rejected(url: URL, why: string, facts: Record<string, unknown> = {}): CatalogError {
  return new CatalogError('UPSTREAM_REJECTED', `${redactUrl(url.href)}: ${why}`, facts)
}

/**
 * What upstream sent is of no use to anybody, and would be the same if it were asked again. Its status is no 5xx: clients try
 * those again, pnpm for more than a minute, and show any other at once.
 */
const UNUSABLE_STATUS = 422

export function unusable(url: URL, why: string, cause?: unknown): CatalogError {
  const reason = cause instanceof Error ? `: ${cause.message}` : ''
  return rejected(url, `${why}${reason}`, { status: UNUSABLE_STATUS, cause })
}

export function isUnusable(error: unknown): boolean {
  return isCatalogError(error, 'UPSTREAM_REJECTED') && error.details.status === UNUSABLE_STATUS
}
