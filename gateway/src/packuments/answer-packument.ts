/**
 * GET and HEAD of a packument: chooses kind and variant for the client and moves bytes that are compressed already.
 */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { sourceOf, type SourceCounts } from './answer-source.ts'
import { noteFirstBytes, type Visit } from '../activity/visit.ts'
import { namesBase, tarballPolicy } from './client-policy.ts'
import { getVariant } from './get-variant.ts'
import { clientCredentials } from '../upstream/client-credentials.ts'
import type { Guard } from '../guard/guard.ts'
import type { Exchange } from '../http/exchange.ts'
import { freshForMs, wantsRevalidation } from './cache/freshness.ts'
import type { PackumentKind } from './cache/cached-document.ts'
import type { PackumentAnswer, Packuments, PackumentVariant } from './packument-service.ts'
import type { TarballCheck } from './peers/tarball-check.ts'
import type { Registries } from '../upstream/registries.ts'
import { remembered } from '../http/remembered.ts'
import { isNotModified } from '../http/respond.ts'
import { mayServeRaw, UnreadablePackument, type RawDocument } from './worker/poison-documents.ts'

const unzip = promisify(gunzip)
const VARY = 'Accept, Accept-Encoding, User-Agent, Host'
const ABBREVIATED = 'application/vnd.npm.install-v1+json'

export interface PackumentAnswerDependencies {
  readonly packuments: Packuments
  readonly registries: Registries
  readonly guard: Guard
  readonly sources: SourceCounts
  readonly tarballCheck: Pick<TarballCheck, 'forgive'>
}

export interface PackumentLimits {
  readonly maxAgeMs: number
  readonly maxPackumentBytes: number
}

export async function answerPackument(
  deps: PackumentAnswerDependencies,
  exchange: Exchange,
  { visit, visit: { name }, limits }: { readonly visit: Visit; readonly limits: PackumentLimits },
): Promise<void> {
  const { req, res, signal, base } = exchange
  const policy =
    exchange.target.view === 'upstream' ? 'verbatim' : tarballPolicy(req.headers['user-agent'])
  const form = { policy, base, isKept: exchange.isOwnBase || !namesBase(policy) } as const
  const client = clientCredentials(deps.registries, exchange, name)
  const { upstream } = exchange
  const kind = kindFor(req.headers.accept)
  const revalidate = wantsRevalidation(req.headers)
  const request = { name, kind, client, form, revalidate, upstream, signal }
  // What nobody has read may hold versions that clients are not given.
  const head =
    req.method === 'HEAD' && !deps.guard.mayDeny(name)
      ? await deps.packuments.head(request)
      : undefined
  if (head !== undefined) return sendHead(exchange, visit, { ...head, kind })
  const found = await getVariant(deps.packuments, request).catch((error: unknown) => {
    const unread = error instanceof UnreadablePackument ? error.document : undefined
    // What nobody can read nobody can take versions out of.
    const isGuarded = deps.guard.mayDeny(name)
    const mayServe = mayServeRaw(policy, deps.registries.homeOf(name)) && !isGuarded
    if (unread === undefined || !mayServe) throw error
    return unread
  })
  if ('gzipped' in found) return sendRaw(exchange, found, limits.maxPackumentBytes)
  const { answer, variant } = found
  noteFirstBytes(visit, undefined)
  visit.source = cameFrom(answer)
  const gzip = acceptsGzip(req.headers['accept-encoding'])
  // Weak, because it stands for the document and not for its bytes, packed or not (RFC 9110 8.8.1).
  const etag = `W/"${variant.tag}"`
  const { document } = answer
  const headers = ['etag', etag, 'vary', VARY]
  headers.push('cache-control', cacheControl(answer, variant, limits.maxAgeMs))
  if (document.lastModified !== undefined) headers.push('last-modified', document.lastModified)
  headers.push(...saySource(deps.sources, limits, answer))
  // Whoever asks after a lie of a peer is told the truth now.
  if (document.peerFetchedAtMs === undefined && document.member === undefined)
    deps.tarballCheck.forgive(name)
  if (isNotModified(req, etag)) {
    res.writeHead(304, headers).end()
    visit.outcome = 'unchanged'
    return
  }
  visit.bytes = gzip ? variant.body.byteLength : unpackedLength(variant.body)
  headers.push('content-type', contentType(variant.kind), 'content-length', String(visit.bytes))
  if (gzip) headers.push('content-encoding', 'gzip')
  const body = gzip || req.method === 'HEAD' ? variant.body : await unzip(variant.body)
  res.writeHead(200, headers)
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** Without what only the whole document would tell: RFC 9110 9.3.2 lets a server leave that out. */
function sendHead(
  { res }: Exchange,
  visit: Visit,
  { lastModified, kind }: { lastModified: string | undefined; kind: PackumentKind },
): void {
  noteFirstBytes(visit, undefined)
  visit.source = 'origin'
  res.setHeader('content-type', contentType(kind))
  res.setHeader('cache-control', 'no-store')
  res.setHeader('vary', VARY)
  if (lastModified !== undefined) res.setHeader('last-modified', lastModified)
  res.end()
}

/** Whose word it is, and how old: on the answer and in the counts. */
function saySource(
  sources: SourceCounts,
  { maxAgeMs }: Pick<PackumentLimits, 'maxAgeMs'>,
  { document, beside, state }: PackumentAnswer,
): string[] {
  const now = Date.now()
  const isFresh = state === 'fetched' || freshForMs(document, maxAgeMs, now) > 0
  const said = sourceOf({ document, beside, isCurrent: state !== 'stale' && isFresh }, now)
  sources.note(said)
  const headers = ['x-catalog-metadata', said.source]
  if (document.witness !== undefined) headers.push('x-catalog-witnesses', document.witness.note)
  if (said.source !== 'registry') headers.push('age', String(Math.floor(said.ageMs / 1000)))
  return headers
}

function cameFrom({ document, state }: PackumentAnswer): Visit['source'] {
  if (document.peerFetchedAtMs !== undefined) return 'peer'
  if (state !== 'fetched') return 'store'
  return document.member === undefined ? 'origin' : 'peer'
}

/** What nobody has looked into: not to be kept, as there is nothing to ask after it by. */
async function sendRaw(
  { req, res }: Exchange,
  { body, gzipped, kind }: RawDocument,
  maxBytes: number,
): Promise<void> {
  const gzip = gzipped && acceptsGzip(req.headers['accept-encoding'])
  const bytes = gzipped && !gzip ? await unzip(body, { maxOutputLength: maxBytes }) : body
  res.setHeader('content-type', contentType(kind))
  res.setHeader('cache-control', 'no-store')
  res.setHeader('vary', VARY)
  if (gzip) res.setHeader('content-encoding', 'gzip')
  res.setHeader('content-length', bytes.byteLength)
  res.end(req.method === 'HEAD' ? undefined : bytes)
}

function contentType(kind: PackumentKind): string {
  return kind === 'abbreviated' ? ABBREVIATED : 'application/json; charset=utf-8'
}

/** pnpm, Yarn 1, Bun and npm's lighter commands name the abbreviated form first; a client that does not name it gets everything. */
export const kindFor = remembered((accept): PackumentKind => {
  const found = accept?.split(',').find((one) => one.trim().startsWith(ABBREVIATED))
  if (found === undefined || /;\s*q=0(\.0*)?\s*$/.test(found)) return 'full'
  return 'abbreviated'
})

/** True when the client takes gzip: named, or `*`, and not with q=0. */
export const acceptsGzip = remembered((header): boolean => {
  const parts = (header ?? '').split(',').map((part) => part.trim().toLowerCase())
  const named =
    parts.find((part) => /^(x-)?gzip\b/.test(part)) ?? parts.find((part) => part[0] === '*')
  return named !== undefined && !/;\s*q=0(\.0*)?$/.test(named)
})

/** As long as we would serve it without asking upstream; an old copy must be asked for again. */
function cacheControl(
  { document, state }: PackumentAnswer,
  { untilMs }: PackumentVariant,
  maxAgeMs: number,
): string {
  if (state === 'stale') return 'no-cache'
  const now = Date.now()
  const left = Math.floor(Math.min(freshForMs(document, maxAgeMs, now), untilMs - now) / 1000)
  const scope = document.owner === '' ? 'public' : 'private'
  return left > 0 ? `${scope}, max-age=${left}` : `${scope}, no-cache`
}

// gzip's last four bytes are the length unpacked (modulo 2^32; documents are far smaller).
function unpackedLength(gzipped: Buffer): number {
  return gzipped.readUInt32LE(gzipped.byteLength - 4)
}
