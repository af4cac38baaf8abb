/**
 * The gateway of a command: the daemon that runs already, if it has proved to be this user's and asks the same registry, else one of
 * exec's own that ends with the command.
 */
import type { ExecGateway, GatewayRequest } from './exec-gateway.ts'
import { daemonGateway, findRunningDaemon, isUsable } from './own-daemon.ts'
import { startInPassing, startOwn } from './own-gateway.ts'

/** @throws CatalogError when neither is possible; the command then runs without us */
export async function openGateway(request: GatewayRequest): Promise<ExecGateway> {
  const { config, env, reuse } = request
  const daemon = await findRunningDaemon(config)
  if (daemon === undefined) return startOwn(request, [])
  if (reuse && isUsable(daemon, config, { env, ...(await request.behind) })) {
    return daemonGateway(daemon.client)
  }
  // Not for us, but a peer as good as any.
  const peers = daemon.status.node.addresses
  return daemon.client.info === undefined
    ? startOwn(request, peers)
    : startInPassing(request, peers)
}
