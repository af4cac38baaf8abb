/**
 * Who asks about this gateway, and what of it they may see. A stranger, over the network, gets numbers: not which registries
 * are behind it, nor where this machine and its peers are. What is not named here a stranger does not get.
 */
import type { IncomingMessage } from 'node:http'
import { CatalogError, type NodeStats } from '@catalog-p2p/core'
import type { GatewayStats } from '../api.ts'
import { isToken } from '../http/is-token.ts'
import { redactUrl } from '../http/redact-url.ts'
import type { Registries } from '../upstream/registries.ts'

/** The owner holds the token; a neighbour is a program of this machine, a stranger one that reaches us over the network. */
export type Viewer = 'owner' | 'neighbour' | 'stranger'

export function viewerOf(req: IncomingMessage, token: string | undefined): Viewer {
  if (token !== undefined && isToken(token, req.headers['x-catalog-token'])) return 'owner'
  return isLoopback(req.socket.remoteAddress) ? 'neighbour' : 'stranger'
}

/** @throws CatalogError INVALID_OPTIONS with status 403 */
export function refuseStranger(viewer: Viewer): void {
  if (viewer !== 'stranger') return
  throw new CatalogError('INVALID_OPTIONS', 'only for programs of the machine it runs on', {
    status: 403,
    hint: 'or with the token that the daemon wrote to daemon.json in its store folder',
  })
}

/** Which registries there are, by scope: our plugins compare them with their client's, so they get the paths too. */
export function registriesFor(registries: Registries, viewer: Viewer): object {
  if (viewer === 'stranger') return {}
  const shown = (url: string): string => (viewer === 'owner' ? url : redactUrl(url))
  return { registries: registries.all().map((one) => ({ ...one, url: shown(one.url) })) }
}

export function gatewayStatsFor(stats: GatewayStats, viewer: Viewer): GatewayStats {
  const { upstream } = stats
  if (upstream === null || viewer === 'owner') return stats
  const isNeighbour = viewer === 'neighbour'
  return { ...stats, upstream: isNeighbour ? redactUrl(upstream) : `${new URL(upstream).origin}/` }
}

export function nodeStatsFor(stats: NodeStats, viewer: Viewer): Partial<NodeStats> {
  if (viewer !== 'stranger') return stats
  const { id, peers, bannedPeers, store, served, uploaded } = stats
  const { announced, activeDownloads, misbehaviour } = stats
  return {
    ...{ id, peers, bannedPeers, store, served, uploaded },
    ...{ announced, activeDownloads, misbehaviour },
  }
}

function isLoopback(address: string | undefined): boolean {
  return /^(?:::ffff:)?127\.|^::1$/.test(address ?? '')
}
