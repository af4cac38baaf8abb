/**
 * A registry with the whole of npm's API, on loopback: a real Verdaccio, and a few pages in front of it for what that lacks
 * (access, staged publishing, login in a browser, advisories, signing keys, attestations). It notes what it is asked.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface UpstreamCall {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: Readonly<IncomingMessage['headers']>
  readonly body: Buffer
}

export interface WholeUpstream extends AsyncDisposable {
  /** No trailing slash. */
  readonly url: string
  readonly calls: readonly UpstreamCall[]
  /** `METHOD /path` of all calls since the last `forget`. */
  asked(): string[]
  forget(): void
  /** JSON to answer with, by path; a test may put more here, or take some away. */
  readonly pages: Map<string, Page>
  /** What somebody does who opens the page of a web login in a browser: logs in as the owner of `token`. */
  logInAs(token: string): void
}

/** `undefined` leaves the call to Verdaccio. */
export type Page = (call: UpstreamCall) => PageAnswer | undefined | Promise<PageAnswer>

export interface PageAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json: unknown
}

export async function startWholeUpstream(verdaccio: string): Promise<WholeUpstream> {
  const calls: UpstreamCall[] = []
  const pages = new Map<string, Page>()
  const logins = new Map<string, string | undefined>()
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { method = 'GET', url: path = '/', headers } = request
    const call = { method, url: path, headers, body: Buffer.concat(chunks) }
    calls.push(call)
    const page = pages.get(pathOf(call)) ?? pages.get(pathOf(call).replace(/[^/]+$/, '*'))
    const found = await page?.(call)
    if (found === undefined) return forward(verdaccio, call, response)
    const json = JSON.stringify(found.json)
    response
      .writeHead(found.status ?? 200, { 'content-type': 'application/json', ...found.headers })
      .end(json)
  }

  pages.set('/-/v1/login', ({ method }) => {
    if (method !== 'POST') return undefined
    const session = randomUUID()
    logins.set(session, undefined)
    return { json: { loginUrl: `${url}/login/${session}`, doneUrl: `${url}/-/v1/done/${session}` } }
  })
  pages.set('/-/v1/done/*', (call) => {
    const session = pathOf(call).split('/').at(-1) ?? ''
    const token = logins.get(session)
    if (!logins.has(session)) return { status: 404, json: { error: 'no such session' } }
    if (token === undefined) return { status: 202, headers: { 'retry-after': '1' }, json: {} }
    return { json: { token } }
  })

  return {
    url,
    calls,
    pages,
    asked: () => calls.map((call) => `${call.method} ${pathOf(call)}`),
    forget: () => void calls.splice(0),
    logInAs: (token) => {
      for (const session of logins.keys()) logins.set(session, token)
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Without the query, decoded. */
export function pathOf(call: UpstreamCall): string {
  return decodeURIComponent(call.url.split('?', 1)[0] ?? '')
}

/** Many clients gzip what they send. */
export function bodyOf(call: UpstreamCall): unknown {
  const plain = call.headers['content-encoding'] === 'gzip' ? gunzipSync(call.body) : call.body
  return plain.length === 0 ? undefined : (JSON.parse(plain.toString('utf8')) as unknown)
}

/** As it came, Host included: Verdaccio spells its tarballs' URLs by it. */
async function forward(
  verdaccio: string,
  { method, url, headers, body }: UpstreamCall,
  response: ServerResponse,
): Promise<void> {
  const passed = httpRequest(verdaccio + url, { method, headers })
  passed.end(body)
  const [answer] = (await once(passed, 'response')) as [IncomingMessage]
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  answer.pipe(response)
}
