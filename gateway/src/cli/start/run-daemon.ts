/**
 * The daemon without its user interface: node, gateway and daemon.json, started in this order and stopped in reverse. A failed
 * start says what the user can do.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  CatalogError,
  createNode,
  isCatalogError,
  type CatalogNode,
  type Logger,
  type NodeOptions,
} from '@catalog-p2p/core'
import type { Gateway, GatewayDependencies } from '../../api.ts'
import { bridgeFilePath } from '../../bridges/bridge-file.ts'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import { createGateway } from '../../gateway.ts'
import { parseGatewayOptions, type GatewayOptions } from '../../options.ts'
import { usualUrl } from '../../http/server.ts'
import { createPrivateNames } from '../../artifacts/visibility/privacy.ts'
import { openStoredVisibility } from '../../artifacts/visibility/stored-visibility.ts'
import {
  probeDaemon,
  readDaemonFile,
  removeDaemonFile,
  writeDaemonFile,
} from '../../admin/daemon-client.ts'
import type { DaemonInfo } from '../../admin/daemon-client.ts'
import { createEvidenceVerifier } from '../../keys/record-evidence.ts'
import { keyringPath } from '../../keys/keyring.ts'
import { openOwnToken, ownTokenPath, type OwnTokenUse } from '../../publishing/own-token.ts'
import { trustFilePath } from '../../trust/trust-file.ts'
import { WITNESS_KEY_FILE } from '../../packuments/witness/witness-key.ts'
import { tracesFrom, type TraceSettings } from '../../tracing/otel-environment.ts'
import { createTrustsPublisher } from '../../trust/trusts-publisher.ts'
import type { NpmConfig } from '../../upstream/npmrc.ts'
import { portOf } from '../shell/invocation.ts'
import { daemonSettings } from './daemon-settings.ts'
import { swarmNames, withSwarm, type ConfiguredSwarm } from './configured-swarm.ts'
import { chooseStore } from './store-access.ts'
import { tuneCollector } from './tune-collector.ts'

export interface RunningDaemon {
  readonly node: CatalogNode
  readonly gateway: Gateway
  readonly info: DaemonInfo
  readonly urls: readonly string[]
  /** undefined: in memory. */
  readonly storePath: string | undefined
  /** Answers under way finish first (bounded by the drain timeout). Idempotent. */
  stop(): Promise<void>
}

export interface DaemonSetup {
  readonly config: Config
  readonly log: Logger
  readonly version: string
  /** npm's registry before `catalog use`. */
  readonly previousRegistry: string | undefined
  /** It ends with a command, so other programs cannot rely on it. */
  readonly temporary?: boolean
  /** Its identity is new and not stored. */
  readonly ephemeralIdentity?: boolean
  /** OpenTelemetry's variables count. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Options of the gateway that are known later: the node starts meanwhile, and stops if this rejects. */
  readonly late?: Promise<LateSetup>
  /** Peers are met when this resolves; else the start waits for what is needed to meet them. */
  readonly meetAfter?: Promise<void>
  /** In place of sockets of its own. */
  readonly listen?: NonNullable<GatewayDependencies['listen']>
}

export interface LateSetup {
  /** npm's configuration, when it is not the one of this process. */
  readonly npmConfig: NpmConfig
  /** On top of `config.gateway`. */
  readonly gateway: GatewayOptions
}

/** @throws CatalogError PORT_IN_USE, STORE_LOCKED, HOST_FAILED, INVALID_OPTIONS, each with the next step */
export async function runDaemon(given: DaemonSetup): Promise<RunningDaemon> {
  const { log } = given
  const { config, swarm } = withSwarm(given.config, log)
  const setup = { ...given, config, swarm }
  tuneCollector()
  const { node: options, cachePath } = await chooseStore(config.node, config.storePath, log)
  const node = await openNode(setup, { options, cachePath }).catch((error: unknown) =>
    explainNodeFailure(error, config.storePath),
  )
  const token = randomBytes(32).toString('base64url')
  const { previousRegistry, version, temporary = false } = setup
  const late = await setup.late?.catch(async (error: unknown) => {
    await node.close()
    throw error
  })
  const gateway = createGateway(
    {
      ...{ node, log },
      ...(late !== undefined && { npmConfig: late.npmConfig }),
      ...(setup.listen && { listen: setup.listen }),
    },
    {
      keyringPath: keyringPath(defaultConfigFolder()),
      trustPath: trustFilePath(defaultConfigFolder()),
      keyFolderPath: defaultConfigFolder(),
      publishToken: tokenOrNone(log, 'publish', { make: !temporary }),
      buildToken: tokenOrNone(log, 'build', { make: !temporary }),
      ownerKeyPath: join(defaultConfigFolder(), 'owner.key'),
      witnessKeyPath: join(defaultConfigFolder(), WITNESS_KEY_FILE),
      keepPrivate: config.node.store?.keepPrivate ?? true,
      ...config.gateway,
      ...traceOptions(setup),
      ...late?.gateway,
      ...(cachePath !== undefined && { cachePath }),
      // What ends with a command opens no door to others.
      ...(!temporary && { bridgesPath: bridgeFilePath(defaultConfigFolder()) }),
      adminToken: token,
      temporary,
      ...(previousRegistry !== undefined && { previousRegistry }),
    },
  )
  try {
    const { port, urls } = await gateway.start()
    const url = usualUrl(urls)
    const identity = { pid: process.pid, id: node.id, startedAtMs: Date.now() }
    // As they were given: what the swarm's file adds is the same for every command in that swarm.
    const settings = daemonSettings(given.config)
    const info: DaemonInfo = { ...identity, port, url, token, version, settings }
    if (cachePath !== undefined) await keepDaemonFile(cachePath, info, log)
    let stopping: Promise<void> | undefined
    const stop = async (): Promise<void> => {
      // A stale file does no harm: its readers probe the daemon first.
      await removeDaemonFile(config.storePath, info).catch((error: unknown) =>
        log.warn('daemon.file-not-removed', { storePath: config.storePath, error }),
      )
      await gateway.stop()
      await node.close()
    }
    return { node, gateway, info, urls, storePath: cachePath, stop: () => (stopping ??= stop()) }
  } catch (error) {
    await gateway.stop()
    await node.close()
    throw await explainGatewayFailure(error, portOf(config))
  }
}

/** Applies this run's privacy rules to the store before anything is announced. */
async function openNode(
  setup: DaemonSetup & Pick<ConfiguredSwarm, 'swarm'>,
  { options, cachePath }: { options: NodeOptions; cachePath: string | undefined },
): Promise<CatalogNode> {
  const { config, log, swarm, ephemeralIdentity = false, meetAfter } = setup
  const rules = parseGatewayOptions(config.gateway)
  const visibility = await openStoredVisibility(
    { log },
    { path: cachePath, rules: { ...rules, swarms: swarmNames(config) } },
  )
  try {
    const { judge } = visibility
    const node = await createNode(options, {
      ...{ log, ephemeralIdentity, swarm, meetAfter },
      verifyEvidence: createEvidenceVerifier(
        { log },
        { keyringPath: rules.keyringPath ?? keyringPath(defaultConfigFolder()) },
      ),
      trustsPublisher: createTrustsPublisher(
        rules.trustPath ?? trustFilePath(defaultConfigFolder()),
      ),
      ...(judge !== undefined && { judgeVisibility: judge }),
      isPrivateName: rules.privateScopes.length > 0 ? createPrivateNames(rules) : undefined,
    })
    visibility.accept()
    return node
  } finally {
    visibility.close()
  }
}

/**
 * Without one the daemon serves as ever, and publishes nothing to the network, or takes no build results: where its folder cannot be
 * written, and for one command (`make`: false), which leaves no file behind.
 */
function tokenOrNone(
  log: Logger,
  use: OwnTokenUse,
  { make }: { make: boolean },
): string | undefined {
  const path = ownTokenPath(defaultConfigFolder(), use)
  try {
    return make || existsSync(path) ? openOwnToken(path) : undefined
  } catch (error) {
    log.warn(`${use}-token.unavailable`, { error })
    return undefined
  }
}

function traceOptions({ env = {}, log }: DaemonSetup): Pick<TraceSettings, 'traces'> {
  const { traces, problem } = tracesFrom(env)
  if (problem !== undefined) log.warn('traces.off', { problem })
  return traces === undefined ? {} : { traces }
}

/** Failing to write daemon.json is not fatal: the daemon serves, and other commands look for it at its port. */
async function keepDaemonFile(storePath: string, info: DaemonInfo, log: Logger): Promise<void> {
  try {
    await writeDaemonFile(storePath, info)
  } catch (error) {
    log.warn('daemon.file-not-written', { storePath, error })
  }
}

async function explainNodeFailure(error: unknown, storePath: string): Promise<never> {
  if (!isCatalogError(error, 'STORE_LOCKED')) throw error
  const owner = await readDaemonFile(storePath)
  const isAlive = owner !== undefined && (await probeDaemon(owner.url))?.id === owner.id
  throw new CatalogError(
    'STORE_LOCKED',
    isAlive
      ? `a catalog daemon (process ${owner.pid}) already uses ${storePath} and serves ${owner.url}`
      : `another process uses the store ${storePath}`,
    {
      cause: error,
      hint: isAlive
        ? 'use that one (catalog status), stop it, or give this one a folder of its own with --store'
        : 'stop that process, or give this one a folder of its own with --store',
    },
  )
}

async function explainGatewayFailure(error: unknown, port: number): Promise<unknown> {
  if (!isCatalogError(error, 'PORT_IN_USE')) return error
  const isCatalog = (await probeDaemon(`http://127.0.0.1:${port}/`)) !== undefined
  return new CatalogError(
    'PORT_IN_USE',
    isCatalog
      ? `port ${port} is taken by another catalog daemon (with another store folder)`
      : `port ${port} is taken by a program that is not catalog`,
    {
      cause: error,
      hint: isCatalog
        ? `use that one (catalog status --port ${port}), stop it, or choose another port with --port`
        : 'stop that program, or choose another port with --port',
    },
  )
}
