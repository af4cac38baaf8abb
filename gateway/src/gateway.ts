/**
 * The composition root of the gateway: builds each part once, starts them in order and stops them in reverse.
 */
import type { Gateway, GatewayDependencies } from './api.ts'
import { parseGatewayOptions, type GatewayOptions } from './options.ts'

/** Builds a gateway on a node; nothing happens before `start()`. */
export function createGateway(deps: GatewayDependencies, options: GatewayOptions): Gateway {
  const parsed = parseGatewayOptions(options)
  throw new Error(`not built yet: port ${parsed.port} ${deps.node.id}`)
}
