/**
 * One handler for all requests, because every request is one pure decision (request-target.ts) away from its answer; and the same
 * as an Express application, for programs that mount it. Turns away foreign hosts and web pages first, bounds nothing itself
 * (server.ts does), logs one line per finished request.
 */
import express, { type Application } from 'express'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { CatalogError, type Logger } from '@catalog-p2p/core'
import { browserProblem } from './browser-guard.ts'
import type { Counters } from './counters.ts'
import type { Exchange } from './exchange.ts'
import type { HostCheck } from './host-check.ts'
import { redactPath } from './redact-url.ts'
import { parseTarget } from './request-target.ts'
import { sendError } from './respond.ts'
import type { Route } from './route.ts'
import { SecuredResponse, setSecurityHeaders } from './security-headers.ts'

export interface AppDependencies {
  readonly log: Logger
  readonly counters: Counters
  readonly hosts: HostCheck
  /** Answers it, or rejects with the error to send. */
  readonly answer: (exchange: Exchange) => Promise<void>
  readonly observe: (route: Route['route'], ms: number) => void
  /** Our own mark in Via. */
  readonly instance: string
}

const REFUSED_METHODS: ReadonlySet<string> = new Set(['OPTIONS', 'TRACE', 'CONNECT'])

/** `baseUrl`: the path that the application is mounted at in a program of its user. */
type MountedRequest = IncomingMessage & { readonly baseUrl?: string }

/** Our own listener has no need of Express, which takes longer than the rest of a short answer. */
export function createHandler(deps: AppDependencies): RequestListener {
  return (req, res) => handle(deps, req, res)
}

export function createApp(handler: RequestListener): Application {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  app.use((req: IncomingMessage, res: ServerResponse) => handler(req, res))
  return app
}

function handle(deps: AppDependencies, req: MountedRequest, res: ServerResponse): void {
  const startedMs = performance.now()
  // A program's own server, where it is mounted, makes answers of another kind.
  if (!(res instanceof SecuredResponse)) setSecurityHeaders(res)
  const target = parseTarget(req.method ?? 'GET', req.url ?? '/')
  const { method, mount, route } = target
  const url = (): string => mount + redactPath(target.path)
  const controller = new AbortController()
  // A page that looks on, or a command that runs, is nothing that a client waits for.
  const weight = route.route === 'events' || route.route === 'build-token' ? 0 : 1
  deps.counters.active += weight
  res.once('close', () => {
    deps.counters.active -= weight
    if (!res.writableFinished) controller.abort(new Error('the client has gone'))
    const ms = performance.now() - startedMs
    deps.counters.request(route.route, res.statusCode)
    if (weight > 0) deps.observe(route.route, ms)
    if (route.route === 'health' || route.route === 'ready') return
    const { statusCode: status } = res
    const done = { method, url: url(), route: route.route, status, ms: Math.round(ms) }
    deps.log.debug('request.done', done)
  })
  const refused = refuse(deps, req, route)
  if (refused !== undefined) {
    sendError(req, res, refused)
    return
  }
  const exchange: Exchange = {
    req,
    res,
    target,
    signal: controller.signal,
    giveUp: () => controller.abort(new Error('the request is answered')),
    base: `http://${req.headers.host ?? 'localhost'}${req.baseUrl ?? ''}${mount}`,
    isOwnBase: target.isUsualMount && deps.hosts.isOwn(req.headers.host, req.socket),
  }
  deps.answer(exchange).catch((error: unknown) => {
    if (controller.signal.aborted && res.destroyed) return // the client has gone
    logFailure(deps.log, url(), error)
    sendError(req, res, error)
  })
}

function refuse(
  deps: AppDependencies,
  req: IncomingMessage,
  route: Route,
): CatalogError | undefined {
  const method = req.method ?? 'GET'
  const problem = deps.hosts.problem(req.headers) ?? browserProblem(req.headers)
  if (problem !== undefined) return bad(403, problem)
  if (req.headers.via?.includes(deps.instance) === true) {
    return bad(508, 'this request came from this gateway itself: its upstream leads back to it')
  }
  // No answer to a preflight: no web page of another origin gets leave to do anything here.
  if (REFUSED_METHODS.has(method)) return bad(405, `no ${method} here`)
  return route.route === 'invalid' ? bad(404, route.reason) : undefined
}

function bad(status: number, message: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', message, { status })
}

function logFailure(log: Logger, url: string, error: unknown): void {
  if (!(error instanceof Error)) return log.error('request.failed', { url, error: String(error) })
  const code = (error as { code?: unknown }).code
  if (!(error instanceof CatalogError)) log.error('request.failed', { url, error })
  else if (error.kind === 'integrity')
    log.warn('request.failed', { url, code, reason: error.message })
  else log.info('request.failed', { url, code, reason: error.message })
}
