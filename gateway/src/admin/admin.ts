/**
 * /-/catalog/*: health, status, metrics, peers for reading, as much of it as who asks may see (viewer.ts); prefetch and store
 * actions for those who hold the token that the daemon wrote to a file only its user can read.
 */
import { CatalogError, type CatalogNode } from '@catalog-p2p/core'
import { answerAsset } from './answer-asset.ts'
import type { BuildResults } from '../build-results/build-results.ts'
import type { Bridges } from '../bridges/bridges.ts'
import type { AssetDependencies } from '../assets/resolve-asset.ts'
import { runGuardAction, type GuardActions } from './admin-guard.ts'
import { runStoreAction } from './admin-store.ts'
import type { GatewayStats } from '../api.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { proofOf } from '../upstream/credentials.ts'
import { answerChallenge } from './daemon-proof.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Metrics } from './metrics.ts'
import { answerPrefetch } from './prefetch.ts'
import { readJson } from '../http/json-body.ts'
import { requireMethod } from './require-method.ts'
import type { Network } from '../publishing/network.ts'
import { publishForOwner } from '../publishing/publish-version.ts'
import { runShareAction, type ShareActions } from '../sharing/share-actions.ts'
import { createMarkOf, type MarkedScopes } from '../artifacts/visibility/privacy.ts'
import type { Registries } from '../upstream/registries.ts'
import { sendJson } from '../http/respond.ts'
import type { Route } from '../http/route.ts'
import { isToken } from '../http/is-token.ts'
import { gatewayStatsFor, nodeStatsFor, refuseStranger, registriesFor, viewerOf } from './viewer.ts'

export interface AdminDependencies extends GuardActions, AssetDependencies, ShareActions {
  readonly node: CatalogNode
  readonly artifacts: Artifacts
  readonly registries: Registries
  readonly network: Network
  readonly metrics: Metrics
  readonly stats: () => GatewayStats
  readonly bridges: Pick<Bridges, 'refresh'>
  readonly builds: Pick<BuildResults, 'runTokens'>
}

export interface AdminOptions extends MarkedScopes {
  readonly token: string | undefined
  readonly maxPrefetch: number
  readonly prefetchConcurrency: number
  readonly maxUploadBytes: number
}

type ReadRoute = 'health' | 'status' | 'metrics' | 'peers'
type ActionRoute =
  'prefetch' | 'publish' | 'store' | 'guard' | 'asset' | 'share' | 'bridges' | 'build-token'
export type AdminRoute = Extract<Route, { route: ReadRoute | ActionRoute }>

const MAX_BODY_BYTES = 16 * 1024 * 1024

export async function answerAdmin(
  deps: AdminDependencies,
  options: AdminOptions,
  { exchange, route }: { exchange: Exchange; route: AdminRoute },
): Promise<void> {
  const { req, res } = exchange
  const json = (body: unknown): void => sendJson(req, res, { status: 200, body })
  if (
    route.route === 'prefetch' ||
    route.route === 'publish' ||
    route.route === 'store' ||
    route.route === 'guard' ||
    route.route === 'asset' ||
    route.route === 'share' ||
    route.route === 'bridges' ||
    route.route === 'build-token'
  ) {
    return act(deps, options, { exchange, route })
  }
  requireMethod(req.method, ['GET', 'HEAD'])
  const viewer = viewerOf(req, options.token)
  switch (route.route) {
    case 'health':
      return json({
        ...{ status: 'ok', id: deps.node.id, ...registriesFor(deps.registries, viewer) },
        proof: options.token && answerChallenge(options.token, challengeIn(exchange.target.path)),
      })
    case 'status':
      return json({
        gateway: gatewayStatsFor(deps.stats(), viewer),
        node: nodeStatsFor(deps.node.stats(), viewer),
        ...(viewer === 'owner' && { credentials: credentialsProof(deps, options) }),
      })
    case 'peers':
      refuseStranger(viewer)
      return json({ peers: deps.node.peers() })
    case 'metrics': {
      const text = await deps.metrics.render()
      res.setHeader('content-type', deps.metrics.contentType)
      res.setHeader('cache-control', 'no-store')
      res.end(req.method === 'HEAD' ? undefined : text)
    }
  }
}

async function act(
  deps: AdminDependencies,
  options: AdminOptions,
  { exchange, route }: { exchange: Exchange; route: Extract<Route, { route: ActionRoute }> },
): Promise<void> {
  const { req, res, signal } = exchange
  const json = (body: unknown): void => sendJson(req, res, { status: 200, body })
  requireMethod(req.method, ['POST'])
  requireToken(options.token, req.headers['x-catalog-token'])
  const isUpload = route.route === 'publish' || route.route === 'share'
  const maxBytes = isUpload ? options.maxUploadBytes : MAX_BODY_BYTES
  const body = await readJson(exchange, maxBytes)
  // Verifying a large store says nothing for longer than the server would bear; the client may leave at any time.
  req.socket.setTimeout(0)
  switch (route.route) {
    case 'store':
      return json(await runStoreAction(deps.node, route.action, { body, signal }))
    case 'guard':
      return json(await runGuardAction(deps, route.action, { body, signal }))
    case 'asset':
      return answerAsset(deps, route.action, { exchange, body })
    case 'share': {
      const markOf = createMarkOf(options)
      return json(await runShareAction(deps, { markOf }, { action: route.action, body, signal }))
    }
    case 'bridges':
      // Whatever the action is called: what counts is what the file says now.
      return json({ bridges: await deps.bridges.refresh() })
    case 'build-token':
      return deps.builds.runTokens.hold(res)
    case 'publish':
      return json(await publishForOwner(deps.network, body, signal))
    case 'prefetch': {
      const limits = { maxPackages: options.maxPrefetch, concurrency: options.prefetchConcurrency }
      return answerPrefetch(deps, limits, { exchange, body })
    }
  }
}

function challengeIn(url = ''): string | null {
  return new URLSearchParams(url.split('?', 2)[1]).get('challenge')
}

/** For `catalog exec`, which uses a daemon in a client's place only if it can ask the registry for the same. */
function credentialsProof({ registries }: AdminDependencies, { token }: AdminOptions) {
  const { main } = registries
  if (main === null || token === undefined) return null
  return proofOf(token, registries.credentialsFor(new URL(main.url)))
}

function requireToken(token: string | undefined, given: string | string[] | undefined): void {
  if (token === undefined) {
    throw new CatalogError('INVALID_OPTIONS', 'this gateway was started without an admin token', {
      status: 403,
    })
  }
  if (isToken(token, given)) return
  throw new CatalogError('INVALID_OPTIONS', 'x-catalog-token is missing or wrong', {
    status: 403,
    hint: 'the daemon wrote it to daemon.json in its store folder',
  })
}
