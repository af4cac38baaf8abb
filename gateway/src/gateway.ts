/**
 * The composition root of the gateway: the application, the parts behind it, the sockets in front of it; started in that
 * order, stopped in reverse.
 */
import type { RequestListener } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import { Activity } from './activity/activity.ts'
import type { VisitRequest } from './activity/visit.ts'
import { answerAdmin, type AdminRoute } from './admin/admin.ts'
import { answerChanged } from './admin/answer-changed.ts'
import { answerReady, notServing, type Phase } from './admin/answer-ready.ts'
import { answerPassthrough } from './answer-passthrough.ts'
import type { Gateway, GatewayDependencies, GatewayStats } from './api.ts'
import { answerExplain } from './dashboard/answer-explain.ts'
import { answerPage } from './dashboard/answer-page.ts'
import { LiveEvents } from './dashboard/live-events.ts'
import { findProblems } from './dashboard/problems.ts'
import { sectionsFor } from './dashboard/sections.ts'
import type { Bridges } from './bridges/bridges.ts'
import { createApp, createHandler } from './http/app.ts'
import { statsOf } from './gateway-stats.ts'
import { createCounters, type Counters } from './http/counters.ts'
import type { Exchange } from './http/exchange.ts'
import { answerDistTags, answerPing } from './registry-api/fallback.ts'
import { answerBuilds } from './build-results/answer-builds.ts'
import { answerHints } from './hints/answer-hints.ts'
import { answeredForGuest, GUEST_OPTIONS, NO_BRIDGES, openBridges } from './bridges/guests.ts'
import { createHostCheck, type HostCheck } from './http/host-check.ts'
import { createMetrics, type Metrics } from './admin/metrics.ts'
import { viewerOf, type Viewer } from './admin/viewer.ts'
import { parseCacheOnly } from './http/cache-only.ts'
import { npmConfigContext, watchNpmConfig } from './upstream/npmrc.ts'
import { parseGatewayOptions, type GatewayOptions, type ParsedGatewayOptions } from './options.ts'
import { answerPackument } from './packuments/answer-packument.ts'
import { answerNetwork } from './publishing/answer-network.ts'
import { answerWebLogin } from './publishing/answer-web-login.ts'
import { takeOwnToken } from './publishing/own-token.ts'
import { newInstance, openParts, type Parts } from './parts/parts.ts'
import type { TarballRoute } from './http/route.ts'
import { requireScope } from './http/scope-mount.ts'
import { answerCatalogSearch } from './search/answer-search.ts'
import { answerShared } from './sharing/answer-shared.ts'
import { createListener } from './http/server.ts'
import { redactUrl } from './http/redact-url.ts'
import { withoutRegistryPath } from './http/request-target.ts'
import type { InstallTraces } from './tracing/install-traces.ts'
import { openTraces } from './tracing/open-traces.ts'
import { answerTarball } from './artifacts/answer-tarball.ts'
import { createMarks } from './artifacts/privacy.ts'

type Started = Awaited<ReturnType<Gateway['start']>>

/** Builds a gateway on a node; nothing happens before `start()`. */
export function createGateway(deps: GatewayDependencies, input: GatewayOptions = {}): Gateway {
  const options = parseGatewayOptions(input)
  const counters = createCounters()
  const activity = new Activity()
  const instance = newInstance()
  let phase: Phase = 'stopped'
  let parts: Parts | undefined
  let live: LiveEvents | undefined
  let traces: InstallTraces | undefined
  let bridges: Bridges | undefined
  let starting: Promise<Started> | undefined
  let stopping: Promise<void> | undefined
  const { temporary, frozenTrust } = options
  const stats = (): GatewayStats => ({ ...statsOf(counters, parts), temporary, frozenTrust })
  const metrics = createMetrics({ node: deps.node, counters, stats })
  const context = { deps, options, counters, activity, metrics, instance, stats }
  const running = (): Context => {
    if (parts === undefined || live === undefined) throw notServing(phase)
    return { ...context, parts, live, bridges, phase }
  }
  const handler = (hosts: HostCheck, answering: typeof answerOrMeet): RequestListener =>
    createHandler({
      ...{ log: deps.log, counters, instance, hosts },
      observe: (route, ms) => metrics.observe(route, ms),
      answer: async (exchange) => answering(running(), exchange),
    })
  const handle = handler(createHostCheck(options), answerOrMeet)
  const listener = createListener({ log: deps.log, handle }, options)

  async function open(): Promise<Started> {
    phase = 'starting'
    try {
      // The user's files, not those of the current folder: the gateway serves all projects.
      const context = { ...npmConfigContext(), projectFolders: [], firstFile: options.npmrcPath }
      const config = deps.npmConfig ?? watchNpmConfig(context, { log: deps.log })
      // A caller that brings its own configuration gets no proxy from the environment either.
      const env = deps.npmConfig === undefined ? npmConfigContext().env : {}
      parts = await openParts({ node: deps.node, log: deps.log, config, env }, options)
      traces = await openTraces({ activity, log: deps.log }, options.traces)
      const { guard, artifacts: names, network } = parts
      const seen = { node: deps.node, stats, activity, guard, names, sinceMs: Date.now() }
      const { isOpenName, replication } = network
      const sources = { ...seen, isOpenName, keptBy: replication.keptBy }
      live = new LiveEvents((viewer) => sectionsFor(sources, viewer))
      const started = await listener.start()
      const main = parts.registries.main
      const upstream = main && redactUrl(main.url)
      phase = 'serving'
      bridges = await openBridges(deps, options, { handler, answer: answerGuest })
      deps.log.info('gateway.started', { urls: started.urls, upstream })
      return started
    } catch (error) {
      await shut()
      throw error
    }
  }

  async function shut(): Promise<void> {
    phase = 'stopping'
    live?.close()
    parts?.builds.runTokens.close()
    await Promise.all([bridges?.stop(), listener.stop()])
    await traces?.close()
    await parts?.close()
    parts = undefined
    phase = 'stopped'
    starting = undefined
  }

  async function close(): Promise<void> {
    await starting?.catch(() => undefined) // start() itself rejects with the reason
    await shut()
  }

  return {
    app: createApp(handle),
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
  readonly phase: Phase
  readonly parts: Parts
  readonly live: LiveEvents
  /** undefined: nobody has looked at their file yet. */
  readonly bridges: Bridges | undefined
  readonly deps: GatewayDependencies
  readonly options: ParsedGatewayOptions
  readonly counters: Counters
  readonly activity: Activity
  readonly metrics: Metrics
  readonly instance: string
  readonly stats: () => GatewayStats
}

function tarballRequest({ name, version, file }: TarballRoute): VisitRequest {
  return { kind: 'tarball', name, version: version ?? file }
}

/** Of a bridge's other side: no token of ours opens anything, and no name gets bound to a publisher. */
async function answerGuest(context: Context, exchange: Exchange): Promise<void> {
  const { parts, options, deps } = context
  if (answeredForGuest(exchange, { ...parts, node: deps.node, options })) return
  await answer(
    {
      ...{ ...context, parts: { ...parts, ...parts.forGuests } },
      options: { ...options, ...GUEST_OPTIONS },
    },
    exchange,
  )
}

/** Metadata that could not be had may be of a package whose publisher is known from now on. */
async function answerOrMeet(context: Context, exchange: Exchange): Promise<void> {
  try {
    await answer(context, exchange)
  } catch (error) {
    const { route } = exchange.target
    const isMissing = route.route === 'packument' && !exchange.res.headersSent
    if (!isMissing || !(await isKnownNow(context.parts, { exchange, name: route.name, error }))) {
      throw error
    }
    await answer(context, exchange)
  }
}

async function isKnownNow(
  { trust, certificates, firstUse }: Parts,
  { exchange, name, error }: { exchange: Exchange; name: string; error: unknown },
): Promise<boolean> {
  const { signal } = exchange
  const origin = trust.originOf(name)
  if (origin.kind === 'registry') return (await firstUse?.tryAgain(name, error, signal)) === true
  if (origin.roots.length === 0 || origin.publishers.length > 0) return false
  // Its organisation is known here and has certified nobody, as far as has been heard.
  await certificates?.learn(origin.roots, signal)
  return origin.publishers.length > 0
}

async function answer(context: Context, asked: Exchange): Promise<void> {
  const { parts, options, counters, activity } = context
  const { log } = context.deps
  const target = withoutRegistryPath(asked.target, (name) => parts.registries.homeOf(name))
  const { route } = target
  requireScope(target.scope, route, parts.registries)
  const isOwner = takeOwnToken(asked.req, options.publishToken)
  const isBuilder = takeOwnToken(asked.req, options.buildToken, ...parts.builds.runTokens.all())
  const cacheOnly = parseCacheOnly(asked.req.headers, route)
  const exchange: Exchange = { ...asked, target, ...(cacheOnly && { upstream: 'never' }) }
  const { maxUploadBytes, privateScopes, publishToken: token } = options
  const isPrivate = privateScopes.length > 0 ? createMarks(privateScopes) : undefined
  const passing = { maxUploadBytes, instance: context.instance, isPrivate }
  const name = 'name' in route ? route.name : undefined
  if (name !== undefined && parts.network.originOf(name).kind === 'network') {
    const deps = { ...parts, ...parts.network, activity, counters }
    return answerNetwork(deps, { ...passing, isOwner }, { exchange, route, name })
  }
  switch (route.route) {
    case 'tarball':
      return activity.track(exchange, tarballRequest(route), (visit) =>
        parts.hints.trackRequest(route, () =>
          answerTarball({ ...parts, counters, visit }, exchange, route),
        ),
      )
    case 'shared':
      return activity.track(exchange, tarballRequest(route.tarball), (visit) =>
        answerShared({ ...parts, counters, visit }, exchange, route),
      )
    case 'packument': {
      const { maxAgeMs, maxPackumentBytes: maxBytes } = options
      const asked = { kind: 'metadata', name: route.name, version: undefined } as const
      return activity.track(exchange, asked, (visit) =>
        answerPackument({ ...parts, maxAgeMs, maxBytes }, exchange, { visit }),
      )
    }
    case 'dist-tags':
      return answerDistTags(parts, passing, { exchange, name: route.name })
    case 'ping':
      return answerPing(parts, passing, exchange)
    case 'keys':
      return parts.signingKeys.answer(exchange)
    case 'passthrough':
      return answerPassthrough({ ...parts, log, options, passing, isOwner }, exchange, route)
    case 'hints':
      return answerHints(parts.hints, exchange)
    case 'search':
      return answerCatalogSearch({ ...parts, log }, exchange)
    case 'changed':
      return answerChanged(parts, exchange)
    case 'login':
      return answerWebLogin({ logins: parts.network.logins, token }, exchange, route)
    case 'ui':
      return answerPage(exchange, route.file)
    case 'events':
      return context.live.listen(exchange, viewerOf(exchange.req, options.adminToken))
    case 'explain':
      return explain(context, exchange)
    case 'builds':
      return answerBuilds(parts.builds, { isBuilder, maxUploadBytes }, { exchange, route })
    case 'ready':
      return ready(context, exchange)
    case 'invalid':
      throw new CatalogError('NOT_FOUND', route.reason)
    case 'health':
    case 'status':
    case 'metrics':
    case 'peers':
    case 'prefetch':
    case 'publish':
    case 'share':
    case 'store':
    case 'guard':
    case 'bridges':
    case 'asset':
    case 'build-token':
      return admin(context, exchange, route)
  }
}

function admin(
  { parts, deps, metrics, stats, options, bridges = NO_BRIDGES }: Context,
  exchange: Exchange,
  route: AdminRoute,
): Promise<void> {
  const admin = { ...parts, node: deps.node, metrics, stats, bridges }
  return answerAdmin(admin, { ...options, token: options.adminToken }, { exchange, route })
}

async function explain(context: Context, exchange: Exchange): Promise<void> {
  const { activity, deps, parts, options } = context
  const sources = { activity, node: deps.node, names: parts.artifacts }
  return answerExplain(sources, exchange, viewerOf(exchange.req, options.adminToken))
}

function ready({ parts, phase, deps, stats, options }: Context, exchange: Exchange): void {
  const problems = (viewer: Viewer) =>
    findProblems({ node: deps.node.stats(), gateway: stats(), guard: parts.guard.status() }, viewer)
  return answerReady({ phase, problems }, exchange, options.adminToken)
}
