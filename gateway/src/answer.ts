/**
 * Which part of the gateway answers a request: one decision by its route, for the programs of this machine and for guests. What
 * depends on the package alone, its origin for one, is decided here before any part sees the request.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Activity } from './activity/activity.ts'
import type { VisitRequest } from './activity/visit.ts'
import { answerAdmin, type AdminRoute } from './admin/admin.ts'
import { answerChanged } from './admin/answer-changed.ts'
import { answerReady, type Phase } from './admin/answer-ready.ts'
import { answerPassthrough } from './answer-passthrough.ts'
import type { GatewayDependencies, GatewayStats } from './api.ts'
import { answerExplain } from './dashboard/answer-explain.ts'
import { answerPage } from './dashboard/answer-page.ts'
import type { LiveEvents } from './dashboard/live-events.ts'
import { findProblems } from './dashboard/problems.ts'
import type { Bridges } from './bridges/bridges.ts'
import type { Counters } from './http/counters.ts'
import type { Exchange } from './http/exchange.ts'
import { answerDistTags, answerPing } from './registry-api/fallback.ts'
import type { PassthroughOptions } from './registry-api/passthrough.ts'
import { answerBuilds } from './build-results/answer-builds.ts'
import { answerHints } from './hints/answer-hints.ts'
import { createGuestDoor, GUEST_OPTIONS, type GuestDoor } from './bridges/guests.ts'
import type { Metrics } from './admin/metrics.ts'
import { viewerOf, type Viewer } from './admin/viewer.ts'
import { parseCacheOnly } from './http/cache-only.ts'
import type { ParsedGatewayOptions } from './options.ts'
import { answerPackument } from './packuments/answer-packument.ts'
import { answerNetwork } from './publishing/answer-network.ts'
import { answerWebLogin } from './publishing/answer-web-login.ts'
import { takeOwnToken } from './publishing/own-token.ts'
import type { Parts } from './parts/parts.ts'
import type { Route, TarballRoute } from './http/route.ts'
import { requireScope } from './http/scope-mount.ts'
import { answerCatalogSearch } from './search/answer-search.ts'
import { answerShared } from './sharing/answer-shared.ts'
import { withoutRegistryPath } from './http/request-target.ts'
import { answerTarball } from './artifacts/answer-tarball.ts'

export interface Context {
  readonly phase: () => Phase
  readonly parts: Parts & { readonly counters: Counters; readonly activity: Activity }
  readonly live: LiveEvents
  readonly bridges: () => Bridges
  readonly deps: GatewayDependencies
  readonly options: ParsedGatewayOptions
  /** For what goes on to a registry. */
  readonly passing: PassthroughOptions
  readonly metrics: Metrics
  readonly stats: () => GatewayStats
}

/** Made once, when the gateway begins to serve: no request copies anything of it. */
export interface Serving {
  /** For the programs of this machine. */
  readonly own: Context
  readonly guests: Context
  readonly door: GuestDoor
}

export function servingOf(own: Context): Serving {
  const { parts, options, deps } = own
  return {
    own,
    guests: {
      ...{ ...own, parts: { ...parts, ...parts.forGuests } },
      options: { ...options, ...GUEST_OPTIONS },
    },
    door: createGuestDoor({ ...parts, node: deps.node, options }),
  }
}

/** Of a bridge's other side: no token of ours opens anything, and no name gets bound to a publisher. */
export async function answerGuest({ guests, door }: Serving, exchange: Exchange): Promise<void> {
  if (!door(exchange)) await answer(guests, exchange)
}

/** Metadata that could not be had may be of a package whose publisher is known from now on. */
export async function answerOrMeet({ own }: Serving, exchange: Exchange): Promise<void> {
  try {
    await answer(own, exchange)
  } catch (error) {
    const { route } = exchange.target
    const isMissing = route.route === 'packument' && !exchange.res.headersSent
    if (!isMissing || !(await isKnownNow(own.parts, { exchange, name: route.name, error }))) {
      throw error
    }
    await answer(own, exchange)
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
  const { parts, options, passing } = context
  const target = withoutRegistryPath(asked.target, (name) => parts.registries.homeOf(name))
  const { route } = target
  requireScope(target.scope, route, parts.registries)
  const shown = tokensShown(context, asked)
  const cacheOnly = parseCacheOnly(asked.req.headers, route)
  const exchange =
    target === asked.target && !cacheOnly
      ? asked
      : { ...asked, target, ...(cacheOnly && { upstream: 'never' as const }) }
  const name = 'name' in route ? route.name : undefined
  if (name !== undefined && parts.network.originOf(name).kind === 'network') {
    const rights = { ...passing, isOwner: shown.isOwner }
    return answerNetwork({ ...parts, ...parts.network }, rights, { exchange, route, name })
  }
  if (!isRegistryCall(route)) {
    return answerOwn(context, exchange, { route, isBuilder: shown.isBuilder })
  }
  switch (route.route) {
    case 'tarball':
      return parts.activity.track(exchange, tarballRequest(route), (visit) =>
        parts.hints.trackRequest(route, () => answerTarball(parts, exchange, { route, visit })),
      )
    case 'shared':
      return parts.activity.track(exchange, tarballRequest(route.tarball), (visit) =>
        answerShared(parts, exchange, { route, visit }),
      )
    case 'packument': {
      const asked = { kind: 'metadata', name: route.name, version: undefined } as const
      return parts.activity.track(exchange, asked, (visit) =>
        answerPackument(parts, exchange, { visit, limits: options }),
      )
    }
    case 'dist-tags':
      return answerDistTags(parts, passing, { exchange, name: route.name })
    case 'ping':
      return answerPing(parts, passing, exchange)
    case 'keys':
      return parts.signingKeys.answer(exchange)
    case 'passthrough': {
      const { log } = context.deps
      const { isOwner } = shown
      return answerPassthrough({ ...parts, log, options, passing, isOwner }, exchange, route)
    }
  }
}

/** Calls for packages and of registries; all others only this gateway has. */
const REGISTRY_CALLS = {
  ...{ tarball: true, shared: true, packument: true, 'dist-tags': true },
  ...{ ping: true, keys: true, passthrough: true },
} as const

type RegistryRoute = Extract<Route, { route: keyof typeof REGISTRY_CALLS }>
type OwnRoute = Exclude<Route, RegistryRoute>

function isRegistryCall(route: Route): route is RegistryRoute {
  return route.route in REGISTRY_CALLS
}

async function answerOwn(
  context: Context,
  exchange: Exchange,
  { route, isBuilder }: { readonly route: OwnRoute; readonly isBuilder: boolean },
): Promise<void> {
  const { parts, options } = context
  const { maxUploadBytes, publishToken: token } = options
  switch (route.route) {
    case 'hints':
      return answerHints(parts.hints, exchange)
    case 'search':
      return answerCatalogSearch({ ...parts, log: context.deps.log }, exchange)
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

/** Which of this gateway's own tokens the request has shown; taken out of it, so that no registry ever sees one. */
function tokensShown(
  { parts, options }: Context,
  { req }: Exchange,
): { isOwner: boolean; isBuilder: boolean } {
  if (req.headers.authorization === undefined) return { isOwner: false, isBuilder: false }
  const isOwner = takeOwnToken(req, options.publishToken)
  const isBuilder = takeOwnToken(req, options.buildToken, ...parts.builds.runTokens.all())
  return { isOwner, isBuilder }
}

function tarballRequest({ name, version, file }: TarballRoute): VisitRequest {
  return { kind: 'tarball', name, version: version ?? file }
}

function admin(
  { parts, deps, metrics, stats, options, bridges }: Context,
  exchange: Exchange,
  route: AdminRoute,
): Promise<void> {
  const admin = { ...parts, node: deps.node, metrics, stats, bridges: bridges() }
  return answerAdmin(admin, { ...options, token: options.adminToken }, { exchange, route })
}

async function explain(context: Context, exchange: Exchange): Promise<void> {
  const { deps, parts, options } = context
  const sources = { activity: parts.activity, node: deps.node, names: parts.artifacts }
  return answerExplain(sources, exchange, viewerOf(exchange.req, options.adminToken))
}

function ready({ parts, phase, deps, stats, options }: Context, exchange: Exchange): void {
  const problems = (viewer: Viewer) =>
    findProblems({ node: deps.node.stats(), gateway: stats(), guard: parts.guard.status() }, viewer)
  return answerReady({ phase: phase(), problems }, exchange, options.adminToken)
}
