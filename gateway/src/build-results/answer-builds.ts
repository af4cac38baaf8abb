/**
 * The addresses of build tools, below `/-/catalog/builds/TEAM`: each tool's own API, on the same results. Anybody on this machine who
 * knows a task's hash may read, as with the registry itself; writing needs the mode for it and the token of build tools. What fails on
 * our side is a miss, so that no build ever fails by it.
 */
import { CatalogError } from '@catalog-p2p/core'
import { sendArtifact } from '../artifacts/sending/send-artifact.ts'
import type { BuildRoute } from '../http/build-route.ts'
import type { Exchange } from '../http/exchange.ts'
import { readBody } from '../http/json-body.ts'
import { sendJson } from '../http/respond.ts'
import type { BuildName } from './build-key.ts'
import type { BuildResults } from './build-results.ts'
import { isTag } from './build-statement.ts'

export interface AnswerBuildsOptions {
  /** It has shown the token of build tools. */
  readonly isBuilder: boolean
  readonly maxUploadBytes: number
}

/** Of one result. */
const MAX_RESULT_BYTES = 256 * 1024 * 1024
const MAX_EVENTS_BYTES = 1024 * 1024
const MAX_DURATION_MS = 86_400_000 * 30
/** Results whose turn to be taken in has not come: a connection each. */
const MAX_WAITING = 100

/** @throws CatalogError NOT_FOUND, DENIED, INVALID_OPTIONS */
export async function answerBuilds(
  builds: BuildResults,
  options: AnswerBuildsOptions,
  { exchange, route }: { readonly exchange: Exchange; readonly route: BuildRoute },
): Promise<void> {
  const { req, res } = exchange
  if (builds.mode === 'off') {
    throw new CatalogError('NOT_FOUND', 'build results are off on this machine', {
      hint: 'start the daemon with --build-results read, or write',
    })
  }
  if (route.ask === 'status') {
    return sendJson(req, res, { status: 200, body: { status: 'enabled' } })
  }
  if (route.ask === 'events') {
    await readBody(exchange, MAX_EVENTS_BYTES) // what the tool counts is counted here already
    return sendJson(req, res, { status: 200, body: {} })
  }
  const { method } = exchange.target
  if (method === 'PUT') return write(builds, options, { exchange, route })
  if (method === 'GET' || method === 'HEAD') return read(builds, exchange, route)
  throw new CatalogError('INVALID_OPTIONS', 'only GET, HEAD and PUT here', {
    ...{ status: 405, allow: 'GET, HEAD, PUT' },
  })
}

async function read(builds: BuildResults, exchange: Exchange, name: BuildName): Promise<void> {
  const { req, res, signal, target } = exchange
  if (target.method === 'HEAD') {
    const known = await builds.find(name, signal)
    if (known === undefined) throw missing()
    res.writeHead(200, [...headersOf(known), 'content-length', String(known.size)]).end()
    return
  }
  const found = await builds.open(name, signal)
  if (found === undefined) throw missing()
  await sendArtifact({ req, res, headers: headersOf(found.build) }, found.artifact)
}

function headersOf({ durationMs, tag }: { durationMs: number; tag: string }): string[] {
  return [
    ...['content-type', 'application/octet-stream', 'cache-control', 'no-store'],
    ...['x-artifact-duration', String(durationMs)],
    ...(tag === '' ? [] : ['x-artifact-tag', tag]),
  ]
}

async function write(
  builds: BuildResults,
  { isBuilder, maxUploadBytes }: AnswerBuildsOptions,
  { exchange, route: name }: { readonly exchange: Exchange; readonly route: BuildName },
): Promise<void> {
  const { req, res, signal } = exchange
  if (builds.mode !== 'write') {
    throw new CatalogError('DENIED', 'this machine only reads build results', {
      ...{ status: 403, hint: 'the daemon takes them with --build-results write' },
    })
  }
  if (!isBuilder) {
    throw new CatalogError('DENIED', 'writing a build result needs the token for that', {
      ...{ status: 401, hint: '"catalog token --builds" prints it' },
    })
  }
  const said = { durationMs: durationOf(req.headers), tag: tagOf(req.headers) }
  const maxBytes = Math.min(maxUploadBytes, MAX_RESULT_BYTES)
  if (builds.uploads.size >= MAX_WAITING) throw tooMany()
  const take = async (): Promise<'added' | 'there'> => {
    const bytes = await readBody(exchange, maxBytes)
    return builds.add(name, { ...said, bytes })
  }
  const added = await builds.uploads.add(take, { signal })
  if (name.tool === 'turbo') return sendJson(req, res, { status: 202, body: { urls: [] } })
  sendJson(req, res, { status: added === 'added' ? 200 : 409, body: {} })
}

type Headers = Exchange['req']['headers']

function durationOf({ 'x-artifact-duration': text = '0' }: Headers): number {
  const duration = Number(text)
  return Number.isSafeInteger(duration) && duration >= 0 && duration <= MAX_DURATION_MS
    ? duration
    : 0
}

/** @throws CatalogError INVALID_OPTIONS: without it the tool would take what it has signed for unsigned */
function tagOf({ 'x-artifact-tag': tag = '' }: Headers): string {
  if (typeof tag === 'string' && isTag(tag)) return tag
  throw new CatalogError('INVALID_OPTIONS', 'x-artifact-tag: at most 600 printable characters')
}

function tooMany(): CatalogError {
  return new CatalogError('DENIED', `more than ${MAX_WAITING} build results wait to be taken in`, {
    ...{ status: 503, hint: 'run the task again later; its result is kept then' },
  })
}

function missing(): CatalogError {
  return new CatalogError('NOT_FOUND', 'no result of this task is here')
}
