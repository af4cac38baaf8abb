/**
 * /-/catalog/*: health, status, metrics, peers for reading; prefetch and store actions for those who hold the token that the
 * daemon wrote to a file only its user can read.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { CatalogError, type CatalogNode } from '@catalog-p2p/core'
import { runStoreAction } from './admin-store.ts'
import type { GatewayStats } from '../api.ts'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { proofOf } from '../upstream/credentials.ts'
import { answerChallenge } from './daemon-proof.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Metrics } from './metrics.ts'
import { answerPrefetch } from './prefetch.ts'
import { readJson } from '../http/json-body.ts'
import type { Registries } from '../upstream/registries.ts'
import { sendJson } from '../http/respond.ts'
import type { Route } from '../http/route.ts'
import { shownUrl } from '../http/shown-url.ts'

export interface AdminDependencies {
  readonly node: CatalogNode
  readonly artifacts: Artifacts
  readonly registries: Registries
  readonly metrics: Metrics
  readonly stats: () => GatewayStats
}

export interface AdminOptions {
  readonly token: string | undefined
  readonly maxPrefetch: number
  readonly prefetchConcurrency: number
}

export type AdminRoute = Extract<
  Route,
  { route: 'health' | 'status' | 'metrics' | 'peers' | 'prefetch' | 'store' }
>

const MAX_BODY_BYTES = 16 * 1024 * 1024

export async function answerAdmin(
  deps: AdminDependencies,
  options: AdminOptions,
  { exchange, route }: { exchange: Exchange; route: AdminRoute },
): Promise<void> {
  const { req, res, signal } = exchange
  const json = (body: unknown): void => sendJson(req, res, { status: 200, body })
  if (route.route === 'prefetch' || route.route === 'store') {
    requireMethod(req.method, ['POST'])
    requireToken(options.token, req.headers['x-catalog-token'])
    const body = await readJson(exchange, MAX_BODY_BYTES)
    // Verifying a large store says nothing for longer than the server would bear; the client may leave at any time.
    req.socket.setTimeout(0)
    if (route.route === 'store') {
      return json(await runStoreAction(deps.node, route.action, { body, signal }))
    }
    const limits = { maxPackages: options.maxPrefetch, concurrency: options.prefetchConcurrency }
    return answerPrefetch(deps, limits, { exchange, body })
  }
  requireMethod(req.method, ['GET', 'HEAD'])
  const viewer = viewerOf(req, options.token)
  switch (route.route) {
    case 'health':
      return json({
        ...{ status: 'ok', id: deps.node.id, ...registriesFor(deps.registries, viewer) },
        proof: options.token && answerChallenge(options.token, challengeIn(req.url)),
      })
    case 'status':
      return json({
        ...{ gateway: statsFor(deps.stats(), viewer), node: deps.node.stats() },
        ...(viewer === 'owner' && { credentials: credentialsProof(deps, options) }),
      })
    case 'peers':
      return json({ peers: deps.node.peers() })
    case 'metrics': {
      const text = await deps.metrics.render()
      res.setHeader('content-type', deps.metrics.contentType)
      res.setHeader('cache-control', 'no-store')
      res.end(req.method === 'HEAD' ? undefined : text)
    }
  }
}

function challengeIn(url = ''): string | null {
  return new URLSearchParams(url.split('?', 2)[1]).get('challenge')
}

/** The owner holds the token; a neighbour is a program of this machine, a stranger one that reaches us over the network. */
type Viewer = 'owner' | 'neighbour' | 'stranger'

function viewerOf(req: IncomingMessage, token: string | undefined): Viewer {
  if (token !== undefined && isToken(token, req.headers['x-catalog-token'])) return 'owner'
  return isLoopback(req.socket.remoteAddress) ? 'neighbour' : 'stranger'
}

/** Which registries there are, by scope: our plugins compare them with their client's, so they get the paths too. */
function registriesFor(registries: Registries, viewer: Viewer): object {
  if (viewer === 'stranger') return {}
  const shown = (url: string): string => (viewer === 'owner' ? url : shownUrl(url))
  return { registries: registries.all().map((one) => ({ ...one, url: shown(one.url) })) }
}

function statsFor(stats: GatewayStats, viewer: Viewer): GatewayStats {
  const { upstream } = stats
  if (upstream === null || viewer === 'owner') return stats
  const isNeighbour = viewer === 'neighbour'
  return { ...stats, upstream: isNeighbour ? shownUrl(upstream) : `${new URL(upstream).origin}/` }
}

/** For `catalog exec`, which uses a daemon in a client's place only if it can ask the registry for the same. */
function credentialsProof({ registries }: AdminDependencies, { token }: AdminOptions) {
  const { main } = registries
  if (main === null || token === undefined) return null
  return proofOf(token, registries.credentialsFor(new URL(main.url)))
}

function isLoopback(address: string | undefined): boolean {
  return /^(?:::ffff:)?127\.|^::1$/.test(address ?? '')
}

function requireMethod(method: string | undefined, allowed: readonly string[]): void {
  if (allowed.includes(method ?? '')) return
  throw new CatalogError('INVALID_OPTIONS', `only ${allowed.join(' and ')} here`, { status: 405 })
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

function isToken(token: string, given: string | string[] | undefined): boolean {
  return typeof given === 'string' && timingSafeEqual(sha256(given), sha256(token))
}

// Equal lengths, as timingSafeEqual needs, and nothing learned from a difference.
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
