/**
 * A registry on loopback that stands for the public one: packuments full and abbreviated, ETag and
 * 304, gzip, tarballs, audit, keys; it counts what it is asked and can be made unreachable. It never
 * goes to the network. Wire: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { RegistrySigner } from '../features/features-signatures.ts'
import type { FixturePackage } from '../fixture-packages.ts'

export type RequestKind = 'packument' | 'tarball' | 'audit' | 'other'

export interface RegistryRequest {
  readonly kind: RequestKind
  readonly method: string
  readonly path: string
  readonly headers: Readonly<IncomingMessage['headers']>
}

export interface LoopbackRegistry extends AsyncDisposable {
  /** Without a trailing slash. Stays the same over stop and restart. */
  readonly url: string
  /** What was asked since the start or the last `forget`. */
  readonly requests: readonly RegistryRequest[]
  count(kind?: RequestKind): number
  forget(): void
  /** Refuses connections from now on, as a registry that is down does. */
  stop(): Promise<void>
  restart(): Promise<void>
  /** Answers nothing from now on, as one behind a line that drops packets; `release` answers all of it. */
  hang(): void
  release(): void
  /** More packages, or versions. */
  publish(...packages: readonly FixturePackage[]): void
}

export interface RegistryOptions {
  readonly packages: readonly FixturePackage[]
  /** Which host `dist.tarball` names: the public default one (as real packuments do), or this one. */
  readonly tarballs?: 'public' | 'self'
  /** Any free one unless given. */
  readonly port?: number
  /** Signs `name@version:integrity`, as npm's registry does. */
  readonly signer?: Pick<RegistrySigner, 'keyid' | 'sign'>
  /** When a version came out, as ISO 8601; years ago by default. */
  readonly published?: (each: FixturePackage) => string | undefined
  /** Tarballs for gateways come so much later: farther away than any peer, as registries are. */
  readonly gatewaysWaitMs?: number
}

interface Reply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Buffer
}

/** npm's own default registry, as npm's own library names it; no trailing slash. */
export function publicRegistry(): string {
  const options = createRequire(import.meta.url)('npm-registry-fetch/lib/default-opts.js') as {
    registry: string
  }
  return options.registry.replace(/\/$/, '')
}

export async function startRegistry(options: RegistryOptions): Promise<LoopbackRegistry> {
  const requests: RegistryRequest[] = []
  const pages = new Map<string, Reply>()
  let hanging: PromiseWithResolvers<void> | undefined
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/')
    const method = request.method ?? 'GET'
    requests.push({ kind: kindOf(method, path), method, path, headers: request.headers })
    request.resume()
    const isGateways = request.headers['user-agent']?.startsWith('catalog-p2p') === true
    const waitMs = isGateways && kindOf(method, path) === 'tarball' ? options.gatewaysWaitMs : 0
    const held = hanging?.promise
    request.on('end', () => {
      const reply = (): void => send(request, response, answer(pages, request, path))
      void Promise.resolve(held).then(() => setTimeout(reply, waitMs ?? 0))
    })
  })
  server.keepAliveTimeout = 60_000
  const port = await listen(server, options.port ?? 0)
  const url = `http://127.0.0.1:${port}`
  const host = options.tarballs === 'self' ? url : publicRegistry()
  let { packages } = options
  fill(pages, options, host)

  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    url,
    requests,
    count: (kind) => requests.filter((each) => kind === undefined || each.kind === kind).length,
    forget: () => void requests.splice(0),
    stop,
    restart: async () => void (server.listening || (await listen(server, port))),
    hang: () => void (hanging ??= Promise.withResolvers<void>()),
    release() {
      hanging?.resolve()
      hanging = undefined
    },
    publish(...more) {
      packages = [...packages, ...more]
      fill(pages, { ...options, packages }, host)
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** The path of a tarball, as registries spell it. */
export function tarballPath(each: { name: string; version: string }): string {
  return `/${each.name}/-/${each.name.split('/').at(-1)}-${each.version}.tgz`
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function kindOf(method: string, path: string): RequestKind {
  if (path.startsWith('/-/npm/v1/security/')) return 'audit'
  if (path.endsWith('.tgz') && path.includes('/-/')) return 'tarball'
  if (!path.startsWith('/-/') && (method === 'GET' || method === 'HEAD')) return 'packument'
  return 'other'
}

const ABBREVIATED = 'application/vnd.npm.install-v1+json'
/** Years ago: clients with an age gate must not see the fixtures as fresh. */
const PUBLISHED = '2020-02-02T02:02:02.000Z'

function fill(pages: Map<string, Reply>, options: RegistryOptions, host: string): void {
  const { packages } = options
  for (const each of packages) {
    pages.set(tarballPath(each), page('application/octet-stream', each.tarball))
  }
  for (const [name, versions] of Map.groupBy(packages, (each) => each.name)) {
    const full = packument(name, versions, host, options)
    pages.set(`/${name}`, page('application/json', json(full)))
    pages.set(`/${name} abbreviated`, page(ABBREVIATED, json(abbreviate(full))))
    for (const [version, manifest] of Object.entries(full.versions)) {
      pages.set(`/${name}/${version}`, page('application/json', json(manifest)))
    }
    pages.set(`/-/package/${name}/dist-tags`, page('application/json', json(full['dist-tags'])))
  }
  pages.set('/-/ping', page('application/json', json({})))
  pages.set('/-/npm/v1/keys', page('application/json', json({ keys: [] })))
}

function packument(
  name: string,
  versions: readonly FixturePackage[],
  host: string,
  { signer, published }: RegistryOptions,
) {
  const latest = versions.findLast((each) => !each.version.includes('-')) ?? versions[0]
  return {
    _id: name,
    _rev: '1-fixture',
    name,
    'dist-tags': { latest: latest?.version },
    versions: Object.fromEntries(
      versions.map((each) => [
        each.version,
        {
          ...each.manifest,
          _id: `${name}@${each.version}`,
          maintainers: [{ name: 'fixture', email: 'fixture@example.com' }],
          dist: {
            shasum: each.shasum,
            tarball: `${host}${tarballPath(each)}`,
            integrity: each.integrity,
            ...(signer && { signatures: [signatureOf(each, signer)] }),
            fileCount: each.files.length,
            unpackedSize: each.files.reduce((n, file) => n + file.content.length, 0),
          },
        },
      ]),
    ),
    time: {
      created: PUBLISHED,
      modified: PUBLISHED,
      ...Object.fromEntries(versions.map((each) => [each.version, published?.(each) ?? PUBLISHED])),
    },
    maintainers: [{ name: 'fixture', email: 'fixture@example.com' }],
    readme: `# ${name}\n\n${'What it is and how to use it. '.repeat(40)}\n`,
  }
}

function signatureOf(
  { name, version, integrity }: FixturePackage,
  { keyid, sign }: NonNullable<RegistryOptions['signer']>,
): { keyid: string; sig: string } {
  return { keyid, sig: sign(Buffer.from(`${name}@${version}:${integrity}`)) }
}

function abbreviate(full: ReturnType<typeof packument>) {
  const kept = [
    ...['name', 'version', 'dist', 'bin', 'engines', 'os', 'cpu', 'libc', 'deprecated'],
    ...['dependencies', 'optionalDependencies', 'peerDependencies', 'peerDependenciesMeta'],
  ]
  return {
    name: full.name,
    'dist-tags': full['dist-tags'],
    modified: full.time.modified,
    versions: Object.fromEntries(
      Object.entries(full.versions).map(([version, manifest]) => [
        version,
        Object.fromEntries(Object.entries(manifest).filter(([key]) => kept.includes(key))),
      ]),
    ),
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function page(type: string, body: Buffer): Reply {
  const isJson = type.endsWith('json')
  return {
    status: 200,
    body,
    headers: {
      'content-type': type,
      etag: `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`,
      'last-modified': new Date(PUBLISHED).toUTCString(),
      'cache-control': isJson ? 'public, max-age=300' : 'public, immutable, max-age=31557600',
      ...(isJson && { vary: 'Accept, Accept-Encoding' }),
    },
  }
}

function answer(pages: Map<string, Reply>, request: IncomingMessage, path: string): Reply {
  if (path.startsWith('/-/npm/v1/security/')) return page('application/json', json({}))
  const wantsAbbreviated = request.headers.accept?.includes(ABBREVIATED) ?? false
  const found = (wantsAbbreviated ? pages.get(`${path} abbreviated`) : undefined) ?? pages.get(path)
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (found === undefined || !isRead) {
    return { ...page('application/json', json({ error: 'Not found' })), status: 404 }
  }
  if (request.headers['if-none-match'] === found.headers.etag) {
    return { ...found, status: 304, body: Buffer.alloc(0) }
  }
  return found
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  let { body } = reply
  const headers = { ...reply.headers }
  const isJson = String(headers['content-type']).endsWith('json')
  if (isJson && body.length > 1024 && request.headers['accept-encoding']?.includes('gzip')) {
    body = gzipSync(body, { level: 1 })
    headers['content-encoding'] = 'gzip'
  }
  if (reply.status !== 304) headers['content-length'] = body.length
  response.writeHead(reply.status, headers)
  response.end(request.method === 'HEAD' ? undefined : body)
}
