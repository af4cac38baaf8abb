/**
 * Which calls are kept for the time when upstream can't be reached (kept-answers.ts), as they pass, and the answer then. Only of
 * packages that are public as far as is known, and only what upstream gave without credentials.
 */
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Exchange } from '../http/exchange.ts'
import type { RequestTarget } from '../http/request-target.ts'
import { decodeBody, parseContentEncoding } from '../upstream/content-coding.ts'
import type { Registries, Registry } from '../upstream/registries.ts'
import type { UpstreamResponse } from '../upstream/upstream.ts'
import { MAX_ANSWER_BYTES, type AnswerKey, type KeptAnswers } from './kept-answers.ts'
import { documentFor, parseVersionCall } from './version-document.ts'

export interface KeptReadsDependencies {
  readonly registries: Registries
  readonly kept: KeptAnswers
  readonly artifacts: { readonly isKnownPublic: (name: string) => boolean }
}

const ATTESTATIONS = /^\/-\/npm\/v1\/attestations\/[^?]+@([^@/?]+)$/

/** undefined: it is not kept. */
export function keptKey(
  { artifacts }: KeptReadsDependencies,
  target: RequestTarget,
  registry: Registry,
): AnswerKey | undefined {
  const { method, path, route } = target
  if (method !== 'GET' && method !== 'HEAD') return undefined
  const name = route.route === 'passthrough' ? route.name : undefined
  if (name === undefined || !artifacts.isKnownPublic(name)) return undefined
  const version = ATTESTATIONS.exec(path)?.[1]
  const what = version === undefined ? parseVersionCall(target)?.spec : `attestations ${version}`
  return what === undefined ? undefined : { registry: registry.url, name, what }
}

/** False, with nothing sent, where none is kept. */
export function sendKept(
  { kept }: KeptReadsDependencies,
  exchange: Exchange,
  { key, registry }: { key: AnswerKey | undefined; registry: Registry },
): boolean {
  const answer = key && kept.find(key)
  if (answer === undefined) return false
  const { req, res, target } = exchange
  const call = parseVersionCall(target)
  const own = call && documentFor(exchange, answer.body, { call, registry, isPrivate: false })
  const body = own ?? answer.body
  res.statusCode = 200
  res.setHeader('content-type', answer.type)
  res.setHeader('cache-control', 'no-cache')
  res.setHeader('vary', 'Accept, User-Agent, Host')
  res.setHeader('x-catalog-source', 'store')
  res.setHeader('content-length', body.byteLength)
  res.end(req.method === 'HEAD' ? undefined : body)
  return true
}

/** Whether this answer may be kept: whole, in JSON, given to anyone. */
export function isKeepable(response: UpstreamResponse): boolean {
  const isJson = /\bjson\b/.test(String(response.headers['content-type'] ?? ''))
  return response.status === 200 && isJson && !response.withCredentials
}

/** Sends the answer as it comes, and keeps it when it was not too long. */
export async function sendAndKeep(
  { kept }: KeptReadsDependencies,
  { res, signal }: Exchange,
  { key, response }: { key: AnswerKey; response: UpstreamResponse },
): Promise<void> {
  const chunks: Buffer[] = []
  let size = 0
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.byteLength
      if (size <= MAX_ANSWER_BYTES) chunks.push(chunk)
      else chunks.length = 0
      done(null, chunk)
    },
  })
  await pipeline(response.body, tap, res, { signal })
  if (size > MAX_ANSWER_BYTES || size === 0) return
  const { headers } = response
  const type = String(headers['content-type'])
  try {
    const codings = parseContentEncoding(headers['content-encoding'])
    kept.put(key, { type, body: decodeBody(Buffer.concat(chunks), codings, MAX_ANSWER_BYTES) })
  } catch {
    // In a coding that nobody knows, or longer than what is kept.
  }
}
