/**
 * From a command to a gateway that it can use, or to the reason why there is none: the client is asked for its registry while a
 * node starts, and the registry is tried through the gateway: before the client is redirected or, where it can still be sent on to
 * its registry afterwards (ahead-of-gateway.ts), before it is answered. Never throws and has a deadline: a start that fails or takes
 * too long is a reason as well.
 */
import type { Config } from '../../config/resolve.ts'
import type { BuildMode } from '../../build-results/build-results.ts'
import type { Terminal } from '../shell/terminal.ts'
import {
  accountCommand,
  readClientCommand,
  type ClientCommand,
} from '../../clients/client-command.ts'
import { aheadOf, mayGoAhead, mightGoAhead } from './ahead-of-gateway.ts'
import {
  findConfiguredGateway,
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
import type { FrontDoor } from './front-door.ts'
import { beginOpening, type Opening } from './opening.ts'
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
  let opening: Opening | undefined
  const leave = async (): Promise<void> => opening?.leave()
  try {
    if (client !== undefined) refuseUnknown(client)
    const choosing = choose(preparation, client)
    opening = beginOpening({
      ...{ ...preparation, signal: relay.signal, isPatient: mightGoAhead(preparation, client) },
      upstream: resolved(choosing, preparation, client),
    })
    const chosen = await choosing
    if ('configured' in chosen) {
      const { isInstall = false } = client ?? {}
      const leaving = leave()
      const use = { config, env: terminal.env, reuse, name, isInstall, leave: () => leaving }
      return await useConfigured(chosen.configured, use)
    }
    const asked = { ...chosen, client }
    const door = mayGoAhead(preparation, asked) ? await opening.openDoor() : undefined
    if (door !== undefined) {
      return await goAhead(preparation, { ...asked, opening, door, name })
    }
    opening.load()
    const gateway = await opening.gateway
    if (gateway === undefined) return { problem: 'the gateway did not start in time', leave }
    await opening.admit()
    if (gateway.expectsPeers || config.peersOnly) gateway.meetPeers?.()
    await waitForPeers(gateway, relay.signal)
    return await redirect(preparation, { ...asked, gateway, leave })
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
  const { terminal, config, relay, frozenTrust } = preparation
  const context = contextOf(terminal, client)
  const { signal } = relay
  const own = await readRegistry(client, { ...context, startedIn: terminal.cwd, signal })
  const { upstream } = config.gateway
  const found = await findConfiguredGateway(own.registry, { config, terminal, frozenTrust })
  if (typeof found !== 'string') return { configured: found }
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

/** Where the gateway goes; rejects where none is wanted. */
function resolved(
  choosing: Promise<Chosen>,
  { terminal }: Preparation,
  client: ClientCommand | undefined,
): Promise<ResolvedRegistry> {
  const upstream = choosing.then((chosen): ResolvedRegistry => {
    if ('configured' in chosen) throw new SkippedClient('it has a gateway')
    const { npm, hasUnscopedCredentials } = chosen.own
    const context = contextOf(terminal, client)
    return {
      registry: chosen.plan.registry,
      npmConfig: gatewayNpmConfig(npm, client?.family ?? 'npm', terminal.env),
      hasOwnConnection: hasUnscopedCredentials || hasOwnConnection(npm, context),
    }
  })
  upstream.catch(() => undefined) // awaiting the choice says why
  return upstream
}

interface Asked {
  readonly client: ClientCommand | undefined
  readonly plan: RedirectPlan
  readonly own: OwnRegistry
}

/** What is known before there is a gateway points the client at the front door. */
async function goAhead(
  preparation: Preparation,
  asked: Asked & { readonly opening: Opening; readonly door: FrontDoor; readonly name: string },
): Promise<PreparedGateway> {
  const { opening, door, name, plan } = asked
  const coming = aheadOf(
    {
      ...{ door, starting: opening.gateway, buildToken: opening.buildToken },
      ...{ signal: preparation.relay.signal, stop: () => opening.stop() },
      load: () => opening.load(),
      tryRegistry: (gateway) => tryRegistry(preparation, { ...asked, gateway, headers: door.key }),
    },
    { name, registry: plan.registry },
  )
  const { gateway, before, ended } = coming
  const { buildResults: mode = 'off' } = preparation.config.gateway
  const pointed = { ...asked, gateway, mode, leave: () => opening.leave() }
  return { ...(await point(preparation, pointed)), before, ended }
}

/** @throws SkippedClient */
async function redirect(
  preparation: Preparation,
  asked: Asked & { readonly gateway: ExecGateway; readonly leave: () => Promise<void> },
): Promise<PreparedGateway> {
  const { gateway } = asked
  const waiting = setTimeout(() => gateway.meetPeers?.(), IDLE_MS)
  const tarball = preparation.config.peersOnly
    ? undefined
    : await tryRegistry(preparation, { ...asked, headers: {} })
  clearTimeout(waiting)
  const status = await gateway.status()
  const { mode } = status.gateway.builds
  const pointed = await point(preparation, { ...asked, mode, tarball })
  return { ...pointed, before: Promise.resolve(status) }
}

/** @returns the URL of a tarball, where the plan needs one @throws SkippedClient */
async function tryRegistry(
  { terminal, relay: { signal } }: Preparation,
  asked: Asked & {
    readonly gateway: ExecGateway
    readonly headers: Readonly<Record<string, string>>
  },
): Promise<string | undefined> {
  const { client, own, gateway, headers } = asked
  const { registry, needsTarballUrl } = asked.plan
  const names = namesInRegistry(registry, client?.family ?? 'npm', client?.cwd ?? terminal.cwd)
  const probe = await probeRegistry(gateway, names, { needsTarballUrl, signal, headers })
  // Offline the client alone would get nothing, while the store or a peer may have the locked packages.
  if (probe.problem !== undefined && !(await isOutOfReach(own, terminal.env, signal))) {
    throw new SkippedClient(probe.problem)
  }
  return probe.tarball
}

interface Pointed extends Asked {
  readonly gateway: ExecGateway
  readonly leave: () => Promise<void>
  /** Of results of builds. */
  readonly mode: BuildMode
  readonly tarball?: string | undefined
}

/** The variables, and the files behind them. @throws SkippedClient */
async function point(
  preparation: Preparation,
  pointed: Pointed,
): Promise<Omit<PreparedGateway, 'before'>> {
  const { terminal } = preparation
  const { client, plan, own, gateway, leave, mode, tarball } = pointed
  const variables = plan.variables(gateway.url, tarball)
  const { isInstall = false } = client ?? {}
  const builds = await buildsFor(gateway, { mode, isInstall }, terminal.env)
  const files = await writeFiles(preparation, pointed)
  const direct = directTo(gateway.url, terminal.env, own.npm.get('noproxy'))
  return {
    gateway,
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
  { client, plan, own, gateway }: Asked & { readonly gateway: ExecGateway },
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
