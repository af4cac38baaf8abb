/**
 * GET /NAME/VERSION and /NAME/TAG: one version's own document, as corepack and `npm view`'s kin ask for it. The URL of its
 * tarball is spelled as in the package's metadata, so that the client comes back here for it, with its credentials and ours.
 */
import type { ServerResponse } from 'node:http'
import type { Exchange } from '../http/exchange.ts'
import type { RequestTarget } from '../http/request-target.ts'
import { isVersion } from '../http/route.ts'
import { tarballPolicy, tarballUrl } from '../packuments/client-policy.ts'
import { decodeBody, parseContentEncoding } from '../upstream/content-coding.ts'
import type { Registry } from '../upstream/registries.ts'
import { discard, readBody, unusable, type UpstreamResponse } from '../upstream/upstream.ts'

/** Packed and unpacked; a version's document has some kilobytes. */
const MAX_BYTES = 8 * 1024 * 1024
const TAG = /^[A-Za-z][\w.+~-]*$/
const FILE = /\.(?:tgz|tar\.gz)$/i

export interface VersionCall {
  readonly name: string
  /** A version or a dist-tag. */
  readonly spec: string
}

/** undefined when it is another call. */
export function parseVersionCall({
  method,
  path: url,
  route,
}: RequestTarget): VersionCall | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined
  const [path = ''] = url.split('?', 1)
  if (route.route !== 'passthrough' || route.name === undefined) return undefined
  const spec = path.slice(path.lastIndexOf('/') + 1)
  const isWhole = path.slice(1, -spec.length - 1).replace(/%2f/i, '/') === route.name
  if (!isWhole || FILE.test(spec) || !(isVersion(spec) || TAG.test(spec))) return undefined
  return { name: route.name, spec }
}

export interface AnsweredVersion {
  readonly response: UpstreamResponse
  readonly call: VersionCall
  readonly registry: Registry
  /** Nothing but such a document may be given: it was asked for with credentials that are not the client's. */
  readonly isGuarded: boolean
  /** Told of the document, as upstream wrote it. */
  readonly onDocument?: ((text: Uint8Array) => void) | undefined
}

/**
 * Sends the document. False, with nothing sent nor read, when the answer is something else, which may go through as it is.
 * @throws CatalogError UPSTREAM_REJECTED when it may not, or can't be read
 */
export async function answerVersion(
  exchange: Exchange,
  { response, call, registry, isGuarded, onDocument }: AnsweredVersion,
): Promise<boolean> {
  const { req, res, signal } = exchange
  if (response.status !== 200) return false
  const isJson = /\bjson\b/.test(String(response.headers['content-type'] ?? ''))
  if (!isJson && !isGuarded) return false
  if (!isJson) {
    discard(response)
    throw unusable(response.url, `that is no version of ${call.name}`)
  }
  // These are of upstream's bytes.
  for (const name of ['content-length', 'content-encoding', 'etag']) res.removeHeader(name)
  res.setHeader('vary', 'Accept, User-Agent, Host')
  if (req.method === 'HEAD') {
    discard(response)
    res.end()
    return true
  }
  const body = await readBody(response, { maxBytes: MAX_BYTES, signal })
  const text = decoded(body, response)
  const isPrivate = response.withCredentials
  const document = documentFor(exchange, text, { call, registry, isPrivate })
  if (document === undefined && isGuarded) {
    throw unusable(response.url, `that is no version of ${call.name}`)
  }
  if (document !== undefined) onDocument?.(text)
  send(res, document ?? text)
  return true
}

/** The document with its tarball's URL as this client should find it; undefined when it is no version of that package. */
export function documentFor(
  { base, req, target }: Exchange,
  text: Uint8Array,
  how: { call: VersionCall; registry: Registry; isPrivate: boolean },
): Buffer | undefined {
  const document = parse(text)
  if (!isVersionOf(document, how.call.name)) return undefined
  const { name, version, dist } = document
  if (typeof dist === 'object' && dist !== null) {
    const { tarball } = dist
    const wanted = tarballUrl(typeof tarball === 'string' ? tarball : undefined, {
      policy: target.view === 'upstream' ? 'verbatim' : tarballPolicy(req.headers['user-agent']),
      ...{ base, name, version, registry: how.registry.url, isPrivate: how.isPrivate },
    })
    if (wanted === undefined) delete dist.tarball
    else dist.tarball = wanted
  }
  return Buffer.from(JSON.stringify(document))
}

function send(res: ServerResponse, body: Uint8Array): void {
  res.setHeader('content-length', body.byteLength)
  res.end(body)
}

function decoded(body: Buffer, { headers, url }: UpstreamResponse): Uint8Array {
  try {
    return decodeBody(body, parseContentEncoding(headers['content-encoding']), MAX_BYTES)
  } catch (error) {
    throw unusable(url, 'its answer cannot be read', error)
  }
}

interface VersionDocument {
  readonly name: string
  readonly version: string
  readonly dist?: { tarball?: unknown } | null
}

function parse(text: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString())
  } catch {
    return undefined // whatever it is, it is no version's document
  }
}

function isVersionOf(document: unknown, name: string): document is VersionDocument {
  if (typeof document !== 'object' || document === null) return false
  const { name: own, version } = document as Partial<Record<string, unknown>>
  return own === name && typeof version === 'string'
}
