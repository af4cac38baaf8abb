/**
 * A node and a gateway in this process for as long as a command runs: on the configured store or, while another catalog holds
 * that, on a temporary folder that is removed afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCatalogError } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { knowsMembers } from '../start/configured-swarm.ts'
import { runDaemon, type RunningDaemon } from '../start/run-daemon.ts'
import type { ExecGateway } from './exec-gateway.ts'
import type { GatewayRequest } from './gateway-request.ts'
import { openFrozenStore } from './frozen-store.ts'
import { rememberFailure } from './upstream-failure.ts'
import { hasHeardEnough } from './wait-for-peers.ts'
import { isCi, unboundDigestsFor } from './wanted-settings.ts'

/** On the store if it is free, else on a temporary folder. @throws CatalogError when neither is possible */
export async function startOwn(
  request: GatewayRequest,
  peers: readonly string[],
): Promise<ExecGateway> {
  try {
    return await start(request, withPeers(request.config, peers), async () => undefined)
  } catch (error) {
    if (!isCatalogError(error, 'STORE_LOCKED')) throw error
    return startTemporary(request, peers)
  }
}

/** On a temporary folder. `peers`: multiaddrs to dial. @throws CatalogError as the start of a daemon does */
export async function startTemporary(
  request: GatewayRequest,
  peers: readonly string[],
): Promise<ExecGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-exec-'))
  const remove = (): Promise<void> =>
    rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  try {
    return await start(request, inFolder(withPeers(request.config, peers), folder), remove)
  } catch (error) {
    await remove()
    throw error
  }
}

/** On the artifacts of the store alone. @throws CatalogError as the start of a daemon does */
export async function startFrozen(request: GatewayRequest): Promise<ExecGateway> {
  const store = await openFrozenStore(request.config)
  try {
    return await start(request, store.config, () => store.remove())
  } catch (error) {
    await store.remove()
    throw error
  }
}

function withPeers(config: Config, peers: readonly string[]): Config {
  const { network = {} } = config.node
  const bootstrap = [...(network.bootstrap ?? []), ...peers]
  return { ...config, node: { ...config.node, network: { ...network, bootstrap } } }
}

function inFolder(config: Config, folder: string): Config {
  const { network, store } = config.node
  // The other catalog has the usual port for peers.
  const node = { store: { ...store, path: folder }, network: { ...network, port: 0 } }
  return { ...config, storePath: folder, node: { ...config.node, ...node } }
}

async function start(
  request: GatewayRequest,
  config: Config,
  afterwards: () => Promise<void>,
): Promise<ExecGateway> {
  const { log, version, upstream, env, frozenTrust, buildToken } = request
  const failures = rememberFailure(log)
  const meeting = Promise.withResolvers<void>()
  const late = upstream.then(({ registry, npmConfig }) => ({
    npmConfig,
    gateway: { upstream: config.peersOnly ? null : registry },
  }))
  late.catch(() => undefined) // the node may fail before it
  const door = await request.door()
  // A store in a CI cache is read by jobs of other people.
  const keepPrivate = config.node.store?.keepPrivate ?? !isCi(env)
  const unboundDigests = unboundDigestsFor(config, env)
  const own = { keepPrivate, ...config.gateway, buildToken, unboundDigests, frozenTrust }
  const node = { ...config.node, store: { ...config.node.store, keepPrivate } }
  const daemon = await runDaemon({
    ...{ log: failures.log, version, env, late },
    ...{ temporary: true, previousRegistry: undefined },
    // In CI the identity is not kept in the store: a store from a CI cache is on many machines at once, and two peers with one
    // identity cannot connect; nor does a private key belong into a cache that others can read. A key that is there stays.
    ephemeralIdentity: isCi(env) || frozenTrust,
    config: { ...config, gateway: { ...own, port: door.port }, node },
    meetAfter: meeting.promise,
    listen: (handle) => door.listen(handle),
  })
  return {
    ...asExecGateway(daemon, config, afterwards),
    buildToken: async () => buildToken,
    meetPeers: () => meeting.resolve(),
    failure: () => failures.reason(),
  }
}

function asExecGateway(
  daemon: RunningDaemon,
  config: Config,
  afterwards: () => Promise<void>,
): Omit<ExecGateway, 'buildToken'> {
  const { node, gateway, info } = daemon
  let stopping: Promise<void> | undefined
  return {
    url: info.url,
    kind: 'own',
    expectsPeers: (config.node.network?.bootstrap ?? []).length > 0 || knowsMembers(config),
    status: async () => ({ gateway: gateway.stats(), node: node.stats() }),
    hasHeardEnough: () => hasHeardEnough(node),
    stop: () => (stopping ??= daemon.stop().finally(afterwards)),
  }
}
