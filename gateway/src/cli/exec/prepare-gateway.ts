/**
 * From a command to a gateway that it can use, or to the reason why there is none: the client is asked for its registry while a
 * node starts, the registry is tried through the gateway, and only then is the client redirected. Never throws and has a
 * deadline: a start that fails or takes too long is a reason as well.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/resolve.ts'
import { createDaemonLog } from '../start/daemon-log.ts'
import { whyNotLoaded } from '../shell/fallback.ts'
import type { Terminal } from '../shell/terminal.ts'
import {
  accountCommand,
  readClientCommand,
  type ClientCommand,
} from '../../clients/client-command.ts'
import {
  findConfiguredGateway,
  requireFrozenTrust,
  TrustingCatalog,
  useConfigured,
  type ConfiguredGateway,
} from './configured-gateway.ts'
import type { ExecGateway, PreparedGateway, ResolvedRegistry, Unprepared } from './exec-gateway.ts'
import { gatewayNpmConfig, hasOwnConnection } from '../../clients/npm/gateway-npm-config.ts'
import type { ConfigContext } from '../../clients/npm/gateway-npm-config.ts'
import { namesInRegistry } from '../../clients/names-in-registry.ts'
import { writeNpmGlobalFile, type TemporaryFiles } from '../../clients/npm/npm-global-file.ts'
import { planRedirect } from '../../clients/redirect-plan.ts'
import type { RedirectPlan } from '../../clients/redirect.ts'
import { isOutOfReach } from './out-of-reach.ts'
import { probeRegistry } from './registry-probe.ts'
import { readRegistry, type OwnRegistry } from '../../clients/own-registry.ts'
import type { SignalRelay } from './signal-relay.ts'
import { SkippedClient } from '../../clients/skipped-client.ts'
import { directTo } from '../../clients/variables.ts'
import { buildsFor } from './build-variables.ts'
import { waitForPeers } from './wait-for-peers.ts'
import { fillYarnMirror } from '../../clients/yarn/yarn-classic-mirror.ts'

export interface Preparation {
  readonly terminal: Terminal
  readonly config: Config
  readonly command: readonly string[]
  readonly reuse: boolean
  /** Nothing in the store is believed but artifacts, by their hash. */
  readonly frozenTrust: boolean
  readonly version: string
  readonly relay: SignalRelay
}

/** After this the command starts without us. */
const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 20_000
/** A registry that has not answered within this is far away: the node looks for its peers meanwhile, and else beside the command. */
const IDLE_MS = 75

export async function prepareGateway(
  preparation: Preparation,
): Promise<PreparedGateway | Unprepared> {
  const { terminal, command, config, reuse, relay } = preparation
  const client = readClientCommand(command, terminal.cwd)
  const account = client && accountCommand(client, command)
  if (account !== undefined) return { problem: `${account} is between you and your registry` }
  const name = client?.family ?? 'npm'
  let starting: Promise<ExecGateway> | undefined
  const leave = (): Promise<void> =>
    atMost(
      STOP_TIMEOUT_MS,
      Promise.resolve(starting).then(stopInTime, () => undefined),
    )
  try {
    if (client !== undefined) refuseUnknown(client)
    const choosing = choose(preparation, client)
    starting = open(preparation, { client, choosing })
    starting.catch(() => undefined) // it may fail because of the choice, which is awaited first
    const chosen = await choosing
    if ('configured' in chosen) {
      const { isInstall = false } = client ?? {}
      const use = { config, env: terminal.env, reuse, name, isInstall, leave }
      return await useConfigured(chosen.configured, use)
    }
    const gateway = await inTime(starting, relay.signal)
    if (gateway === undefined) return { problem: 'the gateway did not start in time', leave }
    if (gateway.expectsPeers || config.peersOnly) gateway.meetPeers?.()
    await waitForPeers(gateway, relay.signal)
    return await redirect(preparation, { ...chosen, client, gateway, leave })
  } catch (error) {
    // Awaited only after the command has ended.
    const leaving = leave()
    const left = { leave: () => leaving }
    if (error instanceof TrustingCatalog) {
      const { message: problem, next } = error
      return { problem: `${name} ${problem}`, next, refused: true, ...left }
    }
    if (error instanceof SkippedClient) {
      const problem = `${name} is not pointed at the gateway: ${error.message}`
      return { problem, ...(error.next !== undefined && { next: error.next }), ...left }
    }
    const { message } = error instanceof Error ? error : new Error(String(error))
    return { problem: `the gateway did not start: ${message}`, ...left }
  }
}

/** What the command line alone rules out. @throws SkippedClient */
function refuseUnknown({ family, isInstall, unknown }: ClientCommand): void {
  if (unknown !== undefined) throw new SkippedClient(unknown)
  if (family !== 'npm' && !isInstall) {
    throw new SkippedClient('this command of it starts programs, or asks nothing')
  }
}

type Chosen =
  | { readonly configured: ConfiguredGateway }
  | { readonly plan: RedirectPlan; readonly own: OwnRegistry }

/** @throws SkippedClient */
async function choose(
  preparation: Preparation,
  client: ClientCommand | undefined,
): Promise<Chosen> {
  const { terminal, config, relay } = preparation
  const context = contextOf(terminal, client)
  const { signal } = relay
  const own = await readRegistry(client, { ...context, startedIn: terminal.cwd, signal })
  const { upstream } = config.gateway
  const found = await findConfiguredGateway(own.registry, { config, terminal })
  if (typeof found !== 'string') {
    if (preparation.frozenTrust) await requireFrozenTrust(found)
    return { configured: found }
  }
  const plan = planRedirect({
    ...{ client, settings: own.settings, npm: own.npm, registry: found },
    upstream: typeof upstream === 'string' ? upstream : undefined,
    ...{ peersOnly: config.peersOnly, plugins: terminal.env.YARN_PLUGINS },
  })
  return { plan, own }
}

function contextOf(terminal: Terminal, client: ClientCommand | undefined): ConfigContext {
  const { env, home, platform } = terminal
  return { env, home, platform, cwd: client?.cwd ?? terminal.cwd, execPath: process.execPath }
}

async function open(
  { terminal, config, version, reuse, frozenTrust }: Preparation,
  asked: { readonly client: ClientCommand | undefined; readonly choosing: Promise<Chosen> },
): Promise<ExecGateway> {
  const { env } = terminal
  const { client, choosing } = asked
  // Standard output belongs to the command.
  const level = config.logLevel ?? 'error'
  const log = createDaemonLog(terminal, { level, json: false, beforeLine: () => undefined })
  const upstream = choosing.then((chosen): ResolvedRegistry => {
    if ('configured' in chosen) throw new SkippedClient('it has a gateway')
    const { npm, hasUnscopedCredentials } = chosen.own
    const context = contextOf(terminal, client)
    return {
      registry: chosen.plan.registry,
      npmConfig: gatewayNpmConfig(npm, client?.family ?? 'npm', env),
      hasOwnConnection: hasUnscopedCredentials || hasOwnConnection(npm, context),
    }
  })
  upstream.catch(() => undefined) // awaiting the choice says why
  // Most of what there is to load: the client is being asked meanwhile.
  const loaded = await import('./open-gateway.ts').catch(whyNotLoaded)
  if (typeof loaded === 'string') throw new Error(loaded)
  return loaded.openGateway({ config, env, upstream, log, version, reuse, frozenTrust })
}

interface Opened {
  readonly client: ClientCommand | undefined
  readonly plan: RedirectPlan
  readonly own: OwnRegistry
  readonly gateway: ExecGateway
  readonly leave: () => Promise<void>
}

/** @throws SkippedClient */
async function redirect(preparation: Preparation, opened: Opened): Promise<PreparedGateway> {
  const { terminal, config, relay } = preparation
  const { client, plan, own, gateway, leave } = opened
  const { needsTarballUrl, registry } = plan
  const { signal } = relay
  const names = namesInRegistry(registry, client?.family ?? 'npm', client?.cwd ?? terminal.cwd)
  const waiting = setTimeout(() => gateway.meetPeers?.(), IDLE_MS)
  const probe = config.peersOnly
    ? {}
    : await probeRegistry(gateway, names, { needsTarballUrl, signal })
  clearTimeout(waiting)
  // Offline the client alone would get nothing, while the store or a peer may have the locked packages.
  if (probe.problem !== undefined && !(await isOutOfReach(own, terminal.env, signal))) {
    throw new SkippedClient(probe.problem)
  }
  const variables = plan.variables(gateway.url, probe.tarball)
  const before = await gateway.status()
  const { mode } = before.gateway.builds
  const { isInstall = false } = client ?? {}
  const builds = await buildsFor(gateway, { mode, isInstall }, terminal.env)
  const files = await writeFiles(preparation, opened)
  const direct = directTo(gateway.url, terminal.env, own.npm.get('noproxy'))
  return {
    ...{ gateway, before },
    variables: { ...direct, ...builds, ...variables, ...files?.variables },
    async close() {
      await files?.remove().catch(() => undefined)
      await leave()
    },
  }
}

/** Beside the project, for as long as the command runs. */
async function writeFiles(
  { terminal, command, relay }: Preparation,
  { client, plan, own, gateway }: Opened,
): Promise<TemporaryFiles | undefined> {
  if (plan.isWeak) {
    const original = own.settings.get('globalconfig')
    return writeNpmGlobalFile(gateway.url, typeof original === 'string' ? original : undefined)
  }
  if (client?.family !== 'yarn-classic') return undefined
  const { npm } = own
  const context = contextOf(terminal, client)
  const { url } = gateway
  // It fetches all that is missing, while the command waits.
  gateway.meetPeers?.()
  const request = { ...{ command, context, npm }, registry: own.registry, gateway: url }
  return fillYarnMirror({ ...request, signal: relay.signal }).catch(() => undefined)
}

/** undefined when it takes too long, or a signal comes first. */
async function inTime(
  starting: Promise<ExecGateway>,
  signal: AbortSignal,
): Promise<ExecGateway | undefined> {
  const done = new AbortController()
  const late = sleep(START_TIMEOUT_MS, undefined, {
    signal: AbortSignal.any([signal, done.signal]),
  }).catch(() => undefined)
  const first = await Promise.race([starting, late])
  done.abort()
  return first
}

/** Failures are ignored: the command has ended, and its user waits. */
async function stopInTime(gateway: ExecGateway | undefined): Promise<void> {
  await gateway?.stop().catch(() => undefined)
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController()
  const late = sleep(ms, undefined, { signal: done.signal }).catch(() => undefined)
  await Promise.race([work, late])
  done.abort()
}
