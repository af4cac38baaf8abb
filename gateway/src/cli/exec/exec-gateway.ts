/**
 * The gateway that a command gets its packages from: the daemon that runs already, if what it would ask is what the command
 * would have asked, else one of our own that ends with us. Never one whose registry or credentials are others than the command's.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { configuredCredentials } from '../../credentials.ts'
import { findDaemon, type DaemonStatus } from '../../daemon-client.ts'
import { readNpmConfig, type NpmConfig } from '../../npmrc.ts'
import { portOf } from '../command.ts'
import { runDaemon } from '../start/run-daemon.ts'
import type { Routing } from './client-environment.ts'
import { withoutUser } from './client-environment.ts'
import type { ExecPlace } from './client-registry.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'

export interface ExecGateway {
  readonly url: string
  /** daemon: it was there before and stays; own: ends with stop(). */
  readonly kind: 'daemon' | 'own'
  /** Another catalog holds our store; this one is its peer. */
  readonly isBesideAnother: boolean
  status(): Promise<Pick<DaemonStatus, 'gateway' | 'node'>>
  /** Artifacts that peers are known to hold. */
  knownArtifacts(): number
  /** Idempotent. */
  stop(): Promise<void>
}

export interface ExecGatewayWish {
  readonly config: Config
  readonly routing: Routing
  readonly place: ExecPlace
  readonly npm: NpmConfig
  readonly log: Logger
  readonly version: string
  /** false: never use a daemon that runs. */
  readonly reuse: boolean
}

const STATUS_TIMEOUT_MS = 5_000
/** Tried in this order when the configured port is taken: fixed ones, because caches and lockfiles remember the URL. */
const OTHER_PORTS = [48_740, 48_741, 48_742, 48_743, 0]

/** @throws CatalogError when neither is possible; the command then runs without us */
export async function openGateway(wish: ExecGatewayWish): Promise<ExecGateway> {
  return (wish.reuse ? await findSuitable(wish) : undefined) ?? startOwn(wish)
}

async function findSuitable(wish: ExecGatewayWish): Promise<ExecGateway | undefined> {
  const { config } = wish
  const daemon = await findDaemon(config.storePath, portOf(config))
  if (daemon === undefined) return undefined
  // Somebody who names a store wants that one, not the one of whatever holds the port.
  if (daemon.info === undefined && config.given.has('store')) return undefined
  const status = (): Promise<DaemonStatus> =>
    daemon.status({ signal: AbortSignal.timeout(STATUS_TIMEOUT_MS) })
  const now = await status().catch(() => undefined)
  if (now === undefined || !isSuitable(wish, now)) return undefined
  return {
    ...{ url: daemon.url, kind: 'daemon', isBesideAnother: false, status },
    knownArtifacts: () => 0,
    stop: async () => undefined,
  }
}

function isSuitable({ config, routing, place, npm }: ExecGatewayWish, now: DaemonStatus): boolean {
  if (now.gateway.temporary) return false
  const { upstream } = now.gateway
  if (config.peersOnly || upstream === null) return config.peersOnly && upstream === null
  if (withoutUser(upstream) !== routing.upstream) return false
  const url = new URL(routing.upstream)
  if (new URL(routing.upstreamAsConfigured).username !== '') return false
  if (Object.keys(routing.credentials).length > 0) return false
  const authorizationIn = (one: NpmConfig): string | undefined =>
    configuredCredentials(one, url, new Set([url.origin]))?.authorization
  const ours = authorizationIn(npm)
  return ours === undefined || ours === authorizationIn(usersOwnConfig(place))
}

/** What a daemon of this user has read when it was started somewhere else. */
function usersOwnConfig(place: ExecPlace): NpmConfig {
  const env = Object.fromEntries(
    Object.entries(place.env).filter(([name]) => !/^npm_config_/i.test(name)),
  )
  return readNpmConfig({ ...place, env, cwd: place.home })
}

async function startOwn(wish: ExecGatewayWish): Promise<ExecGateway> {
  try {
    return await startOn(wish, wish.config, undefined)
  } catch (error) {
    if (!isCatalogError(error, 'STORE_LOCKED')) throw error
  }
  // Another catalog has the store: take a passing one, and what that catalog has from it, as from any other peer.
  const folder = await mkdtemp(join(tmpdir(), 'catalog-exec-'))
  const remove = (): Promise<void> =>
    rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  try {
    const owner = await addressesOf(wish.config)
    return await startOn(wish, beside(wish.config, folder, owner), remove)
  } catch (error) {
    await remove()
    throw error
  }
}

/** Where peers reach the catalog that has the store. */
async function addressesOf(config: Config): Promise<readonly string[]> {
  const daemon = await findDaemon(config.storePath, portOf(config))
  const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
  const status = await daemon?.status({ signal }).catch(() => undefined)
  return status?.node.addresses ?? []
}

function beside(config: Config, folder: string, peers: readonly string[]): Config {
  const { network = {}, store } = config.node
  const bootstrap = [...(network.bootstrap ?? []), ...peers]
  return {
    ...config,
    storePath: folder,
    node: {
      ...config.node,
      store: { ...store, path: folder },
      network: { ...network, bootstrap, port: 0 },
    },
  }
}

async function startOn(
  wish: ExecGatewayWish,
  config: Config,
  afterwards: (() => Promise<void>) | undefined,
): Promise<ExecGateway> {
  const { log, version, routing, npm, place } = wish
  const upstream = config.peersOnly ? null : routing.upstreamAsConfigured
  let failure = new Error('no port to listen on')
  for (const port of [portOf(config), ...OTHER_PORTS]) {
    if (!(await isFree(port))) continue
    const gateway = { ...config.gateway, upstream, port }
    const npmConfig = gatewayNpmConfig(npm, routing.credentials, place.env)
    const setup = { log, version, npmConfig, temporary: true, previousRegistry: undefined }
    try {
      const daemon = await runDaemon({ ...setup, config: { ...config, gateway } })
      let stopping: Promise<void> | undefined
      const stop = (): Promise<void> => daemon.stop().finally(() => afterwards?.())
      return {
        url: daemon.info.url,
        kind: 'own',
        isBesideAnother: afterwards !== undefined,
        knownArtifacts: () =>
          daemon.node.peers().reduce((sum, { artifacts }) => sum + artifacts, 0),
        status: async () => ({ gateway: daemon.gateway.stats(), node: daemon.node.stats() }),
        stop: () => (stopping ??= stop()),
      }
    } catch (error) {
      if (!isCatalogError(error, 'PORT_IN_USE')) throw error
      failure = error // taken since we looked
    }
  }
  throw failure
}

/** A look, not a promise: saves starting a whole node for a port that can't be had. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
