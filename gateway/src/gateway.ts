/**
 * The composition root of the gateway: the application, the parts behind it, the sockets in front of it; started in that
 * order, stopped in reverse.
 */
import { CatalogError } from '@catalog-p2p/core'
import { answerAdmin } from './admin/admin.ts'
import { answerChanged } from './admin/answer-changed.ts'
import type { Gateway, GatewayDependencies, GatewayStats } from './api.ts'
import { createApp } from './http/app.ts'
import { routeAsUpstream } from './http/as-upstream.ts'
import { createCounters, type Counters } from './http/counters.ts'
import type { Exchange } from './http/exchange.ts'
import { answerDistTags, answerPing } from './registry-api/fallback.ts'
import { answerHints } from './hints/answer-hints.ts'
import { readAuditHints } from './hints/audit-hints.ts'
import { isBulkAudit } from './registry-api/audit-body.ts'
import { createHostCheck } from './http/host-check.ts'
import { createMetrics, type Metrics } from './admin/metrics.ts'
import { upstreamUse } from './http/never-upstream.ts'
import { npmConfigPlace, watchNpmConfig } from './upstream/npmrc.ts'
import { noteWrite } from './registry-api/own-writes.ts'
import { parseGatewayOptions, type GatewayOptions, type ParsedGatewayOptions } from './options.ts'
import { answerPackument } from './packuments/answer-packument.ts'
import { newInstance, openParts, type Parts } from './parts.ts'
import { passThrough, type PassthroughOptions } from './registry-api/passthrough.ts'
import { ROUTE_NAMES, type PassthroughRoute, type Route, type RouteName } from './http/route.ts'
import { requireInPlace } from './http/scope-place.ts'
import { createListener } from './http/server.ts'
import { shownUrl } from './http/shown-url.ts'
import { answerTarball } from './artifacts/answer-tarball.ts'
import { createMarks } from './artifacts/privacy.ts'
import { passedRoute } from './upstream/upstream-path.ts'

type Started = Awaited<ReturnType<Gateway['start']>>

/** Builds a gateway on a node; nothing happens before `start()`. */
export function createGateway(deps: GatewayDependencies, input: GatewayOptions = {}): Gateway {
  const options = parseGatewayOptions(input)
  const counters = createCounters()
  const instance = newInstance()
  let parts: Parts | undefined
  let starting: Promise<Started> | undefined
  let stopping: Promise<void> | undefined
  const { temporary } = options
  const stats = (): GatewayStats => ({ ...statsOf(counters, parts), temporary })
  const metrics = createMetrics({ node: deps.node, counters, stats })
  const app = createApp({
    ...{ log: deps.log, counters, instance },
    hosts: createHostCheck(options),
    observe: (route, ms) => metrics.observe(route, ms),
    answer: async (exchange, route) => {
      if (parts === undefined) throw new CatalogError('NODE_STOPPED', 'the gateway is not running')
      await answer({ parts, deps, options, counters, metrics, instance, stats }, exchange, route)
    },
  })
  const listener = createListener({ log: deps.log, handle: app }, options)

  async function open(): Promise<Started> {
    try {
      // Of this user, not of the folder that happens to be the current one: it is for all projects.
      const place = { ...npmConfigPlace(), projectFolders: [], firstFile: options.npmrcPath }
      const config = deps.npmConfig ?? watchNpmConfig(place, { log: deps.log })
      // A caller that brings its own configuration gets no proxy from the environment either.
      const env = deps.npmConfig === undefined ? npmConfigPlace().env : {}
      parts = await openParts({ node: deps.node, log: deps.log, config, env }, options)
      const started = await listener.start()
      const main = parts.registries.main
      const upstream = main && shownUrl(main.url)
      deps.log.info('gateway.started', { urls: started.urls, upstream })
      return started
    } catch (error) {
      await shut()
      throw error
    }
  }

  async function shut(): Promise<void> {
    await listener.stop()
    await parts?.close()
    parts = undefined
    starting = undefined
  }

  async function close(): Promise<void> {
    await starting?.catch(() => undefined) // whoever asked for the start sees why it failed
    await shut()
  }

  return {
    app,
    stats,
    async start() {
      if (starting !== undefined) throw new Error('the gateway is running already')
      stopping = undefined
      starting = open()
      return starting
    },
    stop: () => (stopping ??= close()),
  }
}

interface Context {
  readonly parts: Parts
  readonly deps: GatewayDependencies
  readonly options: ParsedGatewayOptions
  readonly counters: Counters
  readonly metrics: Metrics
  readonly instance: string
  readonly stats: () => GatewayStats
}

async function answer(context: Context, asked: Exchange, given: Route): Promise<void> {
  const { parts, options, counters, metrics, stats } = context
  const route = routeAsUpstream(asked, given, parts.registries.homeOf(undefined).url)
  requireInPlace(asked.scope, route, parts.registries)
  const exchange = { ...asked, upstream: upstreamUse(asked.req.headers, route) }
  const { maxUploadBytes, privateScopes } = options
  const isPrivate = privateScopes.length > 0 ? createMarks(privateScopes) : undefined
  const passing = { maxUploadBytes, instance: context.instance, isPrivate }
  switch (route.route) {
    case 'tarball':
      return parts.hints.trackRequest(route, () =>
        answerTarball({ ...parts, counters }, exchange, route),
      )
    case 'packument': {
      const { maxAgeMs, maxPackumentBytes: maxBytes } = options
      await answerPackument({ ...parts, maxAgeMs, maxBytes }, exchange, route.name)
      // What is guessed is fetched from upstream, too.
      return exchange.upstream === 'never' ? undefined : parts.prediction?.onMetadata(route.name)
    }
    case 'dist-tags':
      return answerDistTags(parts, passing, { exchange, name: route.name })
    case 'ping':
      return answerPing(parts, passing, exchange)
    case 'keys':
      return parts.signingKeys.answer(exchange)
    case 'passthrough':
      if (options.hints && isBulkAudit(exchange.req.method, exchange.req.url)) {
        void readAuditHints(exchange.req, options.maxHints).then((list) => parts.hints.offer(list))
      }
      return pass(parts, passing, { exchange, route })
    case 'hints':
      return answerHints(parts.hints, exchange)
    case 'changed':
      return answerChanged(parts, exchange)
    case 'invalid':
      throw new CatalogError('NOT_FOUND', route.reason)
    case 'health':
    case 'status':
    case 'metrics':
    case 'peers':
    case 'prefetch':
    case 'store': {
      const { node } = context.deps
      const { adminToken: token, maxPrefetch, prefetchConcurrency } = options
      const { artifacts, registries } = parts
      const admin = { node, artifacts, registries, metrics, stats }
      return answerAdmin(admin, { token, maxPrefetch, prefetchConcurrency }, { exchange, route })
    }
  }
}

function pass(
  parts: Parts,
  options: PassthroughOptions,
  { exchange, route }: { exchange: Exchange; route: PassthroughRoute },
): Promise<void> {
  const { req } = exchange
  const { name, scope } = passedRoute(req, route, parts.registries)
  const { method, url } = req
  const onSettled = (): void => noteWrite(parts, { method, url, name })
  return passThrough(parts, options, { exchange, name, scope, onSettled })
}

const NO_HINTS = { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 }

function statsOf(counters: Counters, parts: Parts | undefined): Omit<GatewayStats, 'temporary'> {
  const upstream = parts?.upstream.counts
  const requests = Object.fromEntries(
    ROUTE_NAMES.map((name) => [name, counters.routes[name].requests]),
  ) as Record<RouteName, number>
  return {
    requests,
    tarballs: structuredClone(counters.tarballs),
    packuments: { fresh: 0, fetched: 0, stale: 0, ...parts?.packuments.counts },
    hints: { ...NO_HINTS, ...parts?.hints.counts },
    upstreamRequests: upstream?.requests ?? 0,
    upstreamFailures: upstream?.failures ?? 0,
    upstreamBytes: upstream?.bytes ?? 0,
    activeRequests: counters.active,
    upstream: parts?.registries.main?.url ?? null,
  }
}
