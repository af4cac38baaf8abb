/** What a gateway does for guests: its bridges, and what their requests come to before any part of the gateway sees them. */
import type { RequestListener } from 'node:http'
import { CatalogError, isCatalogError, type CatalogNode } from '@catalog-p2p/core'
import type { GatewayDependencies } from '../api.ts'
import { createMarks } from '../artifacts/visibility/privacy.ts'
import { createBridges, type Bridges } from './bridges.ts'
import { dropHeaders, guestProblem } from './guest-request.ts'
import { GuestTurns } from './guest-turns.ts'
import type { Exchange } from '../http/exchange.ts'
import type { HostCheck } from '../http/host-check.ts'
import { withoutRegistryPath } from '../http/request-target.ts'
import { sendJson } from '../http/respond.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import type { Registries } from '../upstream/registries.ts'

export const NO_BRIDGES: Bridges = {
  refresh: () => Promise.resolve([]),
  stop: () => Promise.resolve(),
}

/** Of one bridge: a guest that opens many leaves this process its file descriptors. */
const MAX_SOCKETS = 128

/** No token of ours opens anything, and no list of packages is taken. */
export const GUEST_OPTIONS = {
  ...{ adminToken: undefined, publishToken: undefined, buildToken: undefined, hints: false },
} as const

type Answer<Context> = (context: Context, exchange: Exchange) => Promise<void>

/** A file of bridges that can't be read or makes no sense keeps nobody else from being served. */
export async function openBridges<Context>(
  { log }: Pick<GatewayDependencies, 'log'>,
  options: ParsedGatewayOptions,
  guests: {
    readonly handler: (hosts: HostCheck, answer: Answer<Context>) => RequestListener
    readonly answer: Answer<Context>
  },
): Promise<Bridges> {
  const turns = new GuestTurns()
  const server = { ...options, maxSockets: Math.min(options.maxSockets, MAX_SOCKETS) }
  const inTurn: Answer<Context> = (context, exchange) =>
    turns.take(exchange.signal, () => guests.answer(context, exchange))
  const bridges = createBridges(
    { log, handlerFor: (hosts) => guests.handler(hosts, inTurn) },
    { path: options.bridgesPath, server },
  )
  await bridges.refresh().catch((error: unknown) => {
    if (!isCatalogError(error)) throw error
    log.warn('bridges.unreadable', { reason: error.message })
  })
  return bridges
}

interface GuestDependencies {
  readonly node: CatalogNode
  readonly options: ParsedGatewayOptions
  readonly registries: Registries
  readonly network: { readonly originOf: NameOrigins }
}

/**
 * Takes away what a guest may not send; answers what is about this gateway itself, and says whether it has.
 * @throws CatalogError INVALID_OPTIONS with status 403
 */
export type GuestDoor = (exchange: Exchange) => boolean

export function createGuestDoor({
  node,
  options,
  registries,
  network: { originOf },
}: GuestDependencies): GuestDoor {
  const { privateScopes, shareScopes, privateSwarm } = options
  const rules = {
    isPrivate: createMarks([...privateScopes, ...shareScopes]),
    isOfNetwork: (name: string) => originOf(name).kind === 'network',
    isInSwarm: privateSwarm || shareScopes.length > 0,
  }
  return ({ req, res, target }) => {
    dropHeaders(req.headers, rules)
    // A path may name another package behind that of the registry than before it.
    const atRegistry = withoutRegistryPath(target, (name) => registries.homeOf(name))
    const problem = guestProblem(target, rules) ?? guestProblem(atRegistry, rules)
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
}
