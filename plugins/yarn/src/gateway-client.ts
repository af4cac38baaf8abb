/**
 * The daemon's gateway over HTTP, as this plugin speaks to it. Every wait has a deadline and every body a bound; credentials
 * never travel here. Whoever asks must check what comes: nothing is verified in this file.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { GatewayRegistry } from './gateway-registries.ts'

const unzip = promisify(gunzip)

/** With it the gateway leaves tarball URLs as the registry wrote them, so that yarn.lock stays what it would be without us. */
const USER_AGENT = 'catalog-yarn-plugin/1'
/** Nothing heard for this long: it hangs, and Yarn's own way is faster. */
const SILENCE_MS = 20_000
/**
 * So must come in each such time: a byte now and then is no silence, but would hold an install for ever. Many share a slow line.
 * The gateway and the other plugins have the same rule; this one is alone in its bundle, and imports nothing of theirs.
 */
const MIN_BYTES = 4 * 1024
const MAX_BODY_BYTES = 1024 * 1024 * 1024
/** A connection to itself costs nothing, but the gateway has a bound. */
const MAX_SOCKETS = 64

/** It is not there, or stopped in the middle of an answer. */
export class GatewayGone extends Error {}

export interface GatewayAnswer {
  readonly status: number
  readonly headers: Readonly<IncomingMessage['headers']>
  /** Unpacked. */
  readonly body: Buffer
}

export interface GatewayClient {
  readonly url: URL
  /** @throws GatewayGone */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<GatewayAnswer>
  /** A POST of JSON, by `deadlineMs` if that is given. @throws GatewayGone */
  post(path: string, body: unknown, options?: { deadlineMs: number }): Promise<GatewayAnswer>
}

export interface GatewayHealth {
  readonly registries: readonly GatewayRegistry[]
}

export function createGatewayClient(url: URL, silenceMs = SILENCE_MS): GatewayClient {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS })
  return {
    url,
    get: (path, headers = {}) => exchange({ url: new URL(path, url), agent, silenceMs, headers }),
    post: (path, body, options) =>
      exchange({
        ...{ url: new URL(path, url), agent, silenceMs, body: JSON.stringify(body) },
        headers: { 'content-type': 'application/json', 'x-catalog-client': USER_AGENT },
        ...(options && { signal: AbortSignal.timeout(options.deadlineMs) }),
      }),
  }
}

/** What answers at `url` within `deadlineMs`, if it is a gateway that tells its registries. */
export async function probeGateway(
  url: URL,
  deadlineMs: number,
): Promise<GatewayHealth | undefined> {
  const controller = new AbortController()
  // Not before the event loop had a look at what has arrived: Yarn may have kept it busy for longer than that.
  const timer = setTimeout(() => setImmediate(() => controller.abort()), deadlineMs)
  try {
    const { signal } = controller
    const health = new URL('-/catalog/health', url)
    const { status, body } = await exchange({
      ...{ url: health, agent: false, silenceMs: 2 * deadlineMs, headers: {} },
      signal,
    })
    return status === 200 ? parseHealth(body) : undefined
  } catch {
    return undefined // nobody there, or somebody else
  } finally {
    clearTimeout(timer)
  }
}

function parseHealth(body: Buffer): GatewayHealth | undefined {
  const parsed = JSON.parse(body.toString()) as { status?: unknown; registries?: unknown } | null
  const list = parsed?.status === 'ok' ? parsed.registries : undefined
  return Array.isArray(list) && list.every(isRegistry) ? { registries: list } : undefined
}

function isRegistry(value: unknown): value is GatewayRegistry {
  const { scope, url, isPublicDefault } = (value ?? {}) as Partial<Record<string, unknown>>
  const hasScope = scope === null || typeof scope === 'string'
  return hasScope && typeof url === 'string' && typeof isPublicDefault === 'boolean'
}

interface Question {
  readonly url: URL
  readonly agent: Agent | false
  readonly silenceMs: number
  readonly headers: Readonly<Record<string, string>>
  /** Makes it a POST. */
  readonly body?: string
  readonly signal?: AbortSignal
}

async function exchange(question: Question): Promise<GatewayAnswer> {
  const response = await send(question)
  const { statusCode: status = 0, headers } = response
  const received = await readAll(question, response)
  const isPacked = headers['content-encoding'] === 'gzip'
  const body = isPacked ? await unzip(received, { maxOutputLength: MAX_BODY_BYTES }) : received
  return { status, headers, body }
}

function send({
  url,
  agent,
  silenceMs,
  headers,
  body,
  signal,
}: Question): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      url,
      {
        ...{ agent, method: body === undefined ? 'GET' : 'POST' },
        headers: { 'user-agent': USER_AGENT, 'accept-encoding': 'gzip', ...headers },
        ...(signal && { signal }),
      },
      resolve,
    )
    const giveUp = (): void => void req.destroy(new Error(`no word for ${silenceMs} ms`))
    req.setTimeout(silenceMs, giveUp)
    // Headers can trickle as well. Before it has a socket it waits for its turn only.
    req.once('socket', () => {
      const timer = setTimeout(giveUp, silenceMs)
      for (const end of ['response', 'close']) req.once(end, () => clearTimeout(timer))
    })
    req.on('error', (error) => reject(gone(url, error))) // there may be more than one
    req.end(body)
  })
}

async function readAll({ url, silenceMs }: Question, response: IncomingMessage): Promise<Buffer> {
  const announced = Number(response.headers['content-length'] ?? 0)
  const chunks: Buffer[] = []
  let size = 0
  let since = { ms: performance.now(), size }
  try {
    if (announced > MAX_BODY_BYTES) throw new Error(`it announces ${announced} bytes`)
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.byteLength
      if (size > MAX_BODY_BYTES) throw new Error(`more than ${MAX_BODY_BYTES} bytes`)
      chunks.push(chunk)
      const nowMs = performance.now()
      if (nowMs - since.ms <= silenceMs || size === announced) continue
      if (size - since.size < MIN_BYTES) {
        throw new Error(`less than ${MIN_BYTES} bytes in ${silenceMs} ms`)
      }
      since = { ms: nowMs, size }
    }
  } catch (error) {
    response.destroy()
    throw gone(url, error)
  }
  return Buffer.concat(chunks, size)
}

function gone(url: URL, cause: unknown): GatewayGone {
  const words = cause instanceof Error ? cause.message : String(cause)
  return new GatewayGone(`the daemon at ${url.host}: ${words}`, { cause })
}
