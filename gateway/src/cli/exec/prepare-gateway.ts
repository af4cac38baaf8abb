/**
 * From a command to a gateway that it can use, or to the reason why it has to do without. Never throws: a start that fails or
 * takes too long is a reason, too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/resolve.ts'
import { DEFAULT_REGISTRY_HOST } from '../../upstream/default-registry.ts'
import { upstreamBeforeUse } from '../clients/upstream-before-use.ts'
import { portOf, useDependencies } from '../command.ts'
import { createDaemonLog } from '../start/daemon-log.ts'
import type { Terminal } from '../terminal.ts'
import { watchBunLock } from './bun-lock-check.ts'
import { planRouting, type Routing } from './client-environment.ts'
import { accountCommand, type ClientFamily } from './client-family.ts'
import { npmConfigAt, type ExecPlace } from './client-registry.ts'
import { commandPlace } from './command-place.ts'
import type { PreparedGateway, Unprepared } from './exec-command.ts'
import { openGateway, type ExecGateway } from './exec-gateway.ts'
import { waitForPeers } from './first-peers.ts'
import { innerWork } from './inner-clients.ts'
import { lookBehind } from './registry-behind.ts'
import type { SignalRelay } from './signal-relay.ts'
import { showsPublicTarballs } from './shown-tarballs.ts'
import type { Obstacle } from './registry-replacement.ts'
import { stayWith } from './standing-gateway.ts'
import { fillYarnMirror } from './yarn-classic-mirror.ts'

export interface Preparation {
  readonly terminal: Terminal
  readonly config: Config
  readonly command: readonly string[]
  readonly reuse: boolean
  readonly version: string
  readonly relay: SignalRelay
}

/** Beyond this the command starts without us. */
const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 20_000

export async function prepareGateway(
  preparation: Preparation,
): Promise<PreparedGateway | Unprepared> {
  const { terminal, config, command, version, reuse, relay } = preparation
  const { env, home, platform } = terminal
  const given = { env, cwd: terminal.cwd, home, platform, execPath: process.execPath }
  const { place, family, obstacle: unknown } = commandPlace(command, given)
  const account = family === undefined ? undefined : accountCommand(command)
  if (account !== undefined) return { problem: `${account} is between you and your registry` }
  if (unknown !== undefined) return leftAlone(family, unknown)
  try {
    const npm = npmConfigAt(place, family)
    const routing = await route(preparation, { place, family })
    if (routing.stays !== undefined)
      return await stayWith(routing.stays, { config, reuse, client: family ?? 'npm' })
    const { left, routed } = routing
    const obstacle =
      family === undefined && routed.length === 0
        ? left[0]
        : left.find((one) => one.family === family)
    if (obstacle !== undefined) return leftAlone(obstacle.family, obstacle)
    // Standard output is the command's.
    const level = config.logLevel ?? 'error'
    const log = createDaemonLog(terminal, { level, json: false, beforeLine: () => undefined })
    const starting = openGateway({ config, routing, place, npm, log, version, reuse })
    const gateway = await inTime(starting, relay.signal)
    if (gateway === undefined) {
      // What it has made by then (a temporary folder, daemon.json) must not be left behind.
      const leaving = starting.then(stopInTime, () => undefined)
      const leave = (): Promise<void> => atMost(STOP_TIMEOUT_MS, leaving)
      return { problem: 'the gateway did not start in time', leave }
    }
    await waitForPeers(gateway, relay.signal)
    const asksAround = Object.keys(routing.variables(gateway.url)).some((name) =>
      name.endsWith('replace_registry_host'),
    )
    const showsPublic =
      asksAround && (await showsPublicTarballs(gateway.url, place.cwd, relay.signal))
    const before = await gateway.status()
    const ask = { command, place, npm, upstream: routing.upstream, gateway: gateway.url }
    const mirror =
      family === 'yarn-classic'
        ? await fillYarnMirror({ ...ask, signal: relay.signal }).catch(() => undefined)
        : undefined
    const isBuns = routing.routed.includes('bun') && (family === undefined || family === 'bun')
    const isPublic = new URL(routing.upstream).host === DEFAULT_REGISTRY_HOST
    const watch = {
      cwd: place.cwd,
      gateway: gateway.url,
      upstream: routing.upstream,
      signal: relay.signal,
    }
    return {
      ...{ gateway, before, note: routing.note },
      ...(isBuns && !isPublic && { afterwards: watchBunLock(watch) }),
      variables: { ...routing.variables(gateway.url, showsPublic), ...mirror?.variables },
      async close() {
        await mirror?.remove().catch(() => undefined)
        await stopInTime(gateway)
      },
    }
  } catch (error) {
    const { message } = error instanceof Error ? error : new Error(String(error))
    return { problem: `the gateway did not start: ${message}` }
  }
}

function leftAlone(client = 'it', { reason, next }: Obstacle): Unprepared {
  const problem = `${client} is not pointed at the gateway: ${reason}`
  return { problem, ...(next !== undefined && { next }) }
}

async function route(
  { terminal, config, command }: Preparation,
  { place, family }: { place: ExecPlace; family: ClientFamily | undefined },
): Promise<Routing> {
  const before = await upstreamBeforeUse(useDependencies(terminal)).catch(() => undefined)
  const { upstream } = config.gateway
  const inside = innerWork(command, family, place.cwd)
  const places = [place, ...inside.folders.map((cwd) => ({ ...place, cwd }))]
  return planRouting(place, {
    ...{ command, family },
    upstream: typeof upstream === 'string' ? upstream : undefined,
    behind: await lookBehind(places, { port: portOf(config), before }),
    inside,
    peersOnly: config.peersOnly,
  })
}

/** Undefined when it takes too long or a signal comes first. */
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

/** The command has ended: what can't be closed properly must not keep its user waiting. */
function stopInTime(gateway: ExecGateway): Promise<void> {
  return atMost(
    STOP_TIMEOUT_MS,
    gateway.stop().catch(() => undefined),
  )
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController()
  const late = sleep(ms, undefined, { signal: done.signal }).catch(() => undefined)
  await Promise.race([work, late])
  done.abort()
}
