/**
 * The gateway of a command: the running daemon, if it has proved to be this user's and has the same registry behind it, else a
 * gateway of exec's own that ends with the command.
 */
import type { ExecGateway } from './exec-gateway.ts'
import type { GatewayRequest } from './gateway-request.ts'
import { daemonGateway, isUsable } from './own-daemon.ts'
import { startFrozen, startOwn, startTemporary } from './own-gateway.ts'

/** @throws CatalogError when neither is possible; the command then runs without us */
export async function openGateway(request: GatewayRequest): Promise<ExecGateway> {
  const { config, env, reuse, daemon } = request
  if (request.frozenTrust) return startFrozen(request)
  if (daemon === undefined) return startOwn(request, [])
  if (reuse && isUsable(daemon, config, { env, ...(await request.upstream) })) {
    return daemonGateway(daemon.client)
  }
  // Not usable as our gateway, but as a peer.
  const peers = daemon.status.node.addresses
  return daemon.client.info === undefined
    ? startOwn(request, peers)
    : startTemporary(request, peers)
}
