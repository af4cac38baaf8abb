/** `catalog start`: the daemon in the foreground until a signal ends it. */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@catalog-p2p/core'
import type { Config, LogLevel } from '../../config/resolve.ts'
import { daemonFile } from '../../admin/daemon-client.ts'
import { parseGatewayOptions } from '../../options.ts'
import { upstreamBeforeUse } from '../use/upstream-before-use.ts'
import { loadConfig, useDependencies, type Invocation } from '../shell/invocation.ts'
import { EXIT, exitCodeOfSignal } from '../shell/exit-codes.ts'
import { writeCompiled } from '../shell/compile-cache.ts'
import { formatBytes } from '../shell/format.ts'
import type { Terminal } from '../shell/terminal.ts'
import { onUnforeseen } from '../shell/unforeseen.ts'
import { askUpstream } from './upstream-probe.ts'
import { updateNotice, wantsNotice } from './update-notice.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { createDaemonLog } from './daemon-log.ts'
import { collectWhenIdle, type IdleCollector } from './idle-collector.ts'
import { createProgress, type Progress, type Totals } from './progress.ts'
import { runDaemon, type RunningDaemon } from './run-daemon.ts'
import { listenForStop, type StopSignals } from './stop-signals.ts'

/** Beyond the drain timeout: closing connections to peers and the store. */
const CLOSE_TIMEOUT_MS = 15_000
/** By then a daemon has done what every start does. */
const SETTLED_MS = 10_000

export interface StartDependencies {
  readonly version: string
  /** Ends the process at once. */
  readonly exit: (code: number) => never
}

/** @returns the exit code, once the daemon has stopped */
export async function startCommand(
  invocation: Invocation,
  { version, exit }: StartDependencies,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const progress: { current?: Progress } = {}
  const rewrite = terminal.canRewrite && !config.json
  const level = config.logLevel ?? (rewrite ? 'warn' : 'info')
  const log = config.json
    ? await jsonLog(level)
    : createDaemonLog(terminal, { level, beforeLine: () => progress.current?.clear() })
  let daemon: RunningDaemon | undefined
  let idle: IdleCollector | undefined
  const tellOfUpdate = async (running: RunningDaemon): Promise<void> => {
    if (running.gateway.stats().upstream === null) return
    const notice = await updateNotice(running.info.url, version)
    if (notice === undefined) return
    progress.current?.clear()
    terminal.note(notice)
  }
  const leave = (code: number): never => {
    progress.current?.clear()
    if (daemon !== undefined) rmSync(daemonFile(config.storePath), { force: true })
    return exit(code)
  }
  const signals = listenForStop((_, number) => leave(exitCodeOfSignal(number)))
  // What is on disk is whole at any moment; what is in memory may no longer be right.
  const forgive = onUnforeseen((error) => {
    log.error('daemon.died', { error, hint: 'please report it, with what `catalog bug` collects' })
    leave(EXIT.failed)
  })
  try {
    const previous = await upstreamBeforeUse(useDependencies(terminal))
    const { env } = terminal
    daemon = await runDaemon({ config, log, version, env, previousRegistry: previous })
    announce({ terminal, log, version }, daemon, rewrite)
    setTimeout(writeCompiled, SETTLED_MS).unref()
    const running = daemon
    const totals = (): Totals => totalsOf(running)
    progress.current = createProgress({ terminal, log, totals }, { rewrite })
    progress.current.start()
    idle = collectWhenIdle(() => workOf(running))
    void warnOfUpstream(running, log)
    if (rewrite && wantsNotice(terminal)) {
      setTimeout(() => void tellOfUpdate(running), SETTLED_MS).unref()
    }
    return await runUntilSignal(running, { signals, log, config, progress: progress.current })
  } finally {
    idle?.stop()
    progress.current?.stop()
    signals.dispose()
    forgive()
  }
}

/** One JSON object a line, on standard output. */
async function jsonLog(level: LogLevel): Promise<Logger> {
  const { createPinoLogger } = await import('../../pino-logger.ts')
  return createPinoLogger({ level, destination: 1 })
}

interface Running {
  readonly signals: StopSignals
  readonly log: Logger
  readonly config: Config
  readonly progress: Progress
}

async function runUntilSignal(daemon: RunningDaemon, running: Running): Promise<number> {
  const { signals, log, config, progress } = running
  const signal = await signals.first
  progress.stop()
  log.info('daemon.stopping', { signal, activeRequests: daemon.gateway.stats().activeRequests })
  const limitMs = parseGatewayOptions(config.gateway).drainTimeoutMs + CLOSE_TIMEOUT_MS
  const timeout = new AbortController()
  const stopped = await Promise.race([
    daemon.stop().then(() => true),
    sleep(limitMs, false, { signal: timeout.signal }).catch(() => true),
  ])
  timeout.abort()
  if (stopped) {
    log.info('daemon.stopped', { signal })
    return EXIT.ok
  }
  log.error('daemon.stop-timeout', { limitMs })
  return EXIT.failed
}

function announce(
  by: { terminal: Terminal; log: Logger; version: string },
  daemon: RunningDaemon,
  forPeople: boolean,
): void {
  const { terminal, log, version } = by
  const { id, addresses, store } = daemon.node.stats()
  const { upstream } = daemon.gateway.stats()
  const { url } = daemon.info
  const shown = upstream && redactUrl(upstream)
  if (!forPeople) {
    const folder = daemon.storePath ?? 'memory'
    log.info('daemon.started', {
      version,
      url,
      upstream: shown,
      peer: id,
      addresses,
      store: folder,
    })
    return
  }
  const strong = (text: string): string => terminal.paintNote('bold', text)
  const room = `${formatBytes(store.bytes)} of ${formatBytes(store.quotaBytes)}`
  terminal.note(`${strong('catalog')} ${version} serves ${strong(url)}`)
  terminal.note(`  registry behind it  ${shown ?? 'none (peers only)'}`)
  terminal.note(
    `  store               ${daemon.storePath ?? 'in memory'} (${store.artifacts} artifacts, ${room})`,
  )
  terminal.note(`  peer id             ${id}`)
  terminal.note(`  use it              catalog use npm, or npm ci --registry ${url}`)
}

function totalsOf({ node, gateway }: RunningDaemon): Totals {
  const { peers, uploaded } = node.counts()
  const { tarballs, activeRequests } = gateway.stats()
  return { peers, served: tarballs, uploadedBytes: uploaded.bytes, activeRequests }
}

/** For idle-collector.ts; a dashboard that looks on, or a health check, is no work. */
function workOf({ node, gateway }: RunningDaemon): number {
  const { uploaded } = node.counts()
  const { tarballs, packuments, upstreamBytes, activeRequests } = gateway.stats()
  if (activeRequests > 0) return NaN
  const answers = [...Object.values(tarballs).map((each) => each.artifacts)]
  answers.push(packuments.fresh, packuments.fetched, packuments.stale)
  return answers.reduce((sum, each) => sum + each, uploaded.bytes + upstreamBytes)
}

/** Says early what would otherwise show only at the first install; nothing depends on it. */
async function warnOfUpstream(daemon: RunningDaemon, log: Logger): Promise<void> {
  const { upstream } = daemon.gateway.stats()
  if (upstream === null) return
  const { problem } = await askUpstream(daemon.info.url)
  if (problem === undefined) return
  log.warn('upstream.unreachable', {
    ...{ upstream: redactUrl(upstream), problem },
    hint: 'check --upstream and the network; until then only the store and peers can answer',
  })
}
