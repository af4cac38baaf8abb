/** What a gateway does for guests: its bridges, and what their requests come to before any part of the gateway sees them. */
import type { RequestListener } from 'node:http'
import { CatalogError, isCatalogError, type CatalogNode } from '@catalog-p2p/core'
import type { GatewayDependencies } from './api.ts'
import { createMarks } from './artifacts/privacy.ts'
import { createBridges, type Bridges } from './bridges/bridges.ts'
import { dropCredentials, guestProblem } from './bridges/guest-request.ts'
import type { Exchange } from './http/exchange.ts'
import type { HostCheck } from './http/host-check.ts'
import { sendJson } from './http/respond.ts'
import type { ParsedGatewayOptions } from './options.ts'

export const NO_BRIDGES: Bridges = {
  refresh: () => Promise.resolve([]),
  stop: () => Promise.resolve(),
}

/** A file of bridges that can't be read or makes no sense keeps nobody else from being served. */
export async function openBridges(
  { log }: Pick<GatewayDependencies, 'log'>,
  options: ParsedGatewayOptions,
  handlerFor: (hosts: HostCheck) => RequestListener,
): Promise<Bridges> {
  const bridges = createBridges({ log, handlerFor }, { path: options.bridgesPath, server: options })
  await bridges.refresh().catch((error: unknown) => {
    if (!isCatalogError(error)) throw error
    log.warn('bridges.unreadable', { reason: error.message })
  })
  return bridges
}

/**
 * Takes away what a guest has sent of credentials; answers what is about this gateway itself.
 * @throws CatalogError INVALID_OPTIONS with status 403
 */
export function answeredForGuest(
  { req, res, target }: Exchange,
  { node, options }: { node: CatalogNode; options: ParsedGatewayOptions },
): boolean {
  dropCredentials(req.headers)
  const isPrivate = createMarks([...options.privateScopes, ...options.shareScopes])
  const problem = guestProblem(target, isPrivate)
  if (problem !== undefined) {
    throw new CatalogError('INVALID_OPTIONS', `${problem}: this is a bridge`, {
      status: 403,
      hint: 'docs/bridges.md says what goes over a bridge',
    })
  }
  if (target.route.route !== 'health') return false
  sendJson(req, res, { status: 200, body: { status: 'ok', id: node.id, bridge: true } })
  return true
}
