/**
 * A registry on loopback whose every answer can go wrong on demand: statuses, cut connections, wrong bytes, silence,
 * redirects, a wall of credentials. For tests of what the gateway does about it; registry.ts is the well-behaved one.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { FixturePackage } from '../fixture-packages.ts'

export type Fault =
  | Plain
  /** Promises all bytes, sends these, cuts the connection. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** Other bytes of the same length. */
  | { readonly kind: 'wrong-bytes' }
  | { readonly kind: 'reset' }
  /** Waits before answering. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }

/** An answer that needs nothing of the request. */
export type Plain =
  | {
      readonly kind: 'status'
      readonly status: number
      /** Of the status line; the usual one by default. */
      readonly phrase?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  | { readonly kind: 'body'; readonly body: string; readonly type?: string }
  /** `{path}` becomes the path that was asked for, without its slash. */
  | { readonly kind: 'redirect'; readonly to: string; readonly status?: number }

export interface UpstreamRequestSeen {
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  readonly headers: Readonly<IncomingMessage['headers']>
  readonly body: Buffer
}

type Document = {
  [key: string]: unknown
  'dist-tags': Record<string, string>
  versions: Record<string, { dist: Record<string, unknown>; [key: string]: unknown }>
  time: Record<string, string>
}

export interface FaultyUpstream extends AsyncDisposable {
  /** With a trailing slash. */
  readonly url: string
  readonly seen: readonly UpstreamRequestSeen[]
  /** Requests whose URL matches. */
  count(match: RegExp): number
  forget(): void
  add(...packages: FixturePackage[]): void
  /** The live packument: what a test changes in it is served next, under another ETag. */
  document(name: string): Document
  /** What happens to requests that match, the next `times` times. */
  fault(match: RegExp, fault: Fault, times?: number): void
  heal(): void
  /** Requests that match get 404 (as on npm), or what is said, unless they carry one of these Authorization headers. */
  wall(match: RegExp, authorizations: readonly string[], strangers?: Plain): void
  /** Of every document, on top. */
  documentHeaders: Record<string, string>
  /** Anything else is answered by this. */
  otherwise: (request: UpstreamRequestSeen, response: ServerResponse) => void
  /** Refuses connections. */
  stop(): Promise<void>
  restart(): Promise<void>
}

export interface UpstreamOptions {
  /** What stands before `/name/-/file.tgz` in dist.tarball, no trailing slash; default: this upstream. */
  readonly tarballBase?: string
  readonly gzip?: boolean
  /** Path prefix, with slashes at both ends. */
  readonly prefix?: string
}

export async function startUpstream(
  packages: readonly FixturePackage[],
  options: UpstreamOptions = {},
): Promise<FaultyUpstream> {
  const seen: UpstreamRequestSeen[] = []
  const documents = new Map<string, Document>()
  const tarballs = new Map<string, Buffer>()
  let faults: { match: RegExp; fault: Fault; left: number }[] = []
  let walls: { match: RegExp; authorizations: readonly string[]; strangers: Plain }[] = []
  const prefix = options.prefix ?? '/'
  let server: Server
  let origin = ''
  let port = 0

  async function listen(): Promise<void> {
    server = createServer((req, res) => {
      void respond(req, res)
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    origin = `http://127.0.0.1:${port}`
  }

  async function respond(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
    } catch {
      return // the client left in the middle of its body
    }
    const { method = 'GET', url = '/', headers } = req
    const request = { method, url, headers, body: Buffer.concat(chunks) }
    seen.push(request)
    const planned = faults.find(({ match, left }) => left > 0 && match.test(url))
    if (planned !== undefined) planned.left -= 1
    const fault = planned?.fault
    if (fault?.kind === 'hold') await fault.until
    if (fault?.kind === 'reset') return void req.socket.destroy()
    if (fault?.kind === 'status' || fault?.kind === 'body' || fault?.kind === 'redirect') {
      return sendPlain(res, url, fault)
    }
    const wall = walls.find(({ match }) => match.test(url))
    if (wall !== undefined && !wall.authorizations.includes(headers.authorization ?? '')) {
      return sendPlain(res, url, wall.strangers)
    }
    serve(request, res, fault)
  }

  function serve(
    request: UpstreamRequestSeen,
    res: ServerResponse,
    fault: Fault | undefined,
  ): void {
    const path = decodeURIComponent(request.url.split('?')[0] ?? '').slice(prefix.length)
    const read = request.method === 'GET' || request.method === 'HEAD'
    const tarball = tarballs.get(path)
    const document = documents.get(path)
    if (read && tarball !== undefined) return sendTarball(request, res, { bytes: tarball, fault })
    if (read && document !== undefined && !request.url.includes('?')) {
      return sendDocument(request, res, document)
    }
    const [, name = '', version = ''] = /^(.+)\/([^/]+)$/.exec(path) ?? []
    const manifest = documents.get(name)?.versions[version]
    if (read && manifest !== undefined) {
      const headers = { 'content-type': 'application/json', etag: '"upstream"' }
      return void res.writeHead(200, headers).end(JSON.stringify(manifest))
    }
    upstream.otherwise(request, res)
  }

  function sendTarball(
    request: UpstreamRequestSeen,
    res: ServerResponse,
    what: { bytes: Buffer; fault: Fault | undefined },
  ): void {
    const { fault } = what
    const bytes = fault?.kind === 'wrong-bytes' ? Buffer.alloc(what.bytes.length, 7) : what.bytes
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const part = bytes.subarray(from)
    if (from > 0) {
      res.writeHead(206, {
        'content-length': part.length,
        'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      })
    } else {
      res.writeHead(200, { 'content-length': part.length, etag: `"${bytes.length}"` })
    }
    if (fault?.kind !== 'truncate') return void res.end(part)
    res.write(part.subarray(0, fault.bytes), () => res.destroy())
  }

  function sendDocument(request: UpstreamRequestSeen, res: ServerResponse, full: Document): void {
    const short = (request.headers.accept ?? '').includes('vnd.npm.install-v1')
    const text = JSON.stringify(short ? abbreviated(full) : full)
    const etag = `W/"${createHash('sha1').update(text).digest('hex')}"`
    const lastModified = new Date(full.time.modified ?? 0).toUTCString()
    const headers = { etag, 'last-modified': lastModified, ...upstream.documentHeaders }
    if (request.headers['if-none-match'] === etag) return void res.writeHead(304, headers).end()
    const gzip = options.gzip !== false && /gzip/.test(String(request.headers['accept-encoding']))
    const body = gzip ? gzipSync(text) : Buffer.from(text)
    res.writeHead(200, {
      ...headers,
      'content-type': short ? 'application/vnd.npm.install-v1+json' : 'application/json',
      'content-length': body.length,
      ...(gzip && { 'content-encoding': 'gzip' }),
    })
    res.end(body)
  }

  const upstream: FaultyUpstream = {
    get url() {
      return origin + prefix
    },
    seen,
    count: (match) => seen.filter(({ url }) => match.test(url)).length,
    forget: () => void (seen.length = 0),
    add(...more) {
      const base = options.tarballBase ?? (origin + prefix).slice(0, -1)
      for (const one of more) {
        const file = `${one.name}/-/${one.name.slice(one.name.indexOf('/') + 1)}-${one.version}.tgz`
        tarballs.set(file, one.tarball)
        const document = documents.get(one.name) ?? emptyDocument(one.name)
        documents.set(one.name, document)
        document['dist-tags'].latest = one.version
        document.time[one.version] = document.time.modified ?? ''
        document.versions[one.version] = {
          ...one.manifest,
          name: one.name,
          version: one.version,
          dist: { tarball: `${base}/${file}`, integrity: one.integrity, shasum: one.shasum },
        }
      }
    },
    document(name) {
      const document = documents.get(name)
      if (document === undefined) throw new Error(`no such package: ${name}`)
      return document
    },
    fault(match, fault, times = Infinity) {
      faults.unshift({ match, fault, left: times })
    },
    heal() {
      faults = []
      walls = []
    },
    wall(match, authorizations, strangers = NOT_FOUND) {
      walls = [{ match, authorizations, strangers }, ...walls]
    },
    documentHeaders: {},
    otherwise: (_request, res) => void res.writeHead(404).end('{"error":"Not found"}'),
    async stop() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
    restart: listen,
    async [Symbol.asyncDispose]() {
      await upstream.stop()
    },
  }
  await listen()
  upstream.add(...packages)
  return upstream
}

const NOT_FOUND: Plain = { kind: 'status', status: 404, body: '{"error":"Not found"}' }

function sendPlain(res: ServerResponse, url: string, answer: Plain): void {
  switch (answer.kind) {
    case 'status':
      if (answer.phrase !== undefined) res.statusMessage = answer.phrase
      res
        .writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
        .end(answer.body)
      return
    case 'body':
      res.writeHead(200, answer.type ? { 'content-type': answer.type } : {}).end(answer.body)
      return
    case 'redirect': {
      const location = answer.to.replace('{path}', url.slice(1))
      res.writeHead(answer.status ?? 302, { location }).end()
    }
  }
}

function emptyDocument(name: string): Document {
  const modified = '2026-01-02T03:04:05.000Z'
  return { name, 'dist-tags': {}, versions: {}, time: { created: modified, modified }, readme: 'x' }
}

function abbreviated(full: Document): unknown {
  return {
    name: full.name,
    modified: full.time.modified,
    'dist-tags': full['dist-tags'],
    versions: full.versions,
  }
}
