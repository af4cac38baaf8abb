/**
 * `catalog exec -- CMD`: runs a command whose package manager gets its packages from peers, and ends with the command's own
 * exit code. Redirects by environment variables alone and changes no file. A failure on our side never fails the command: it
 * then runs as it would without us.
 */
import { withoutSwarm } from '../../config/swarm-place.ts'
import { CatalogError } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { duration } from '../../config/setting.ts'
import { readValue } from '../../config/values.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { EXIT, exitCodeOfSignal } from '../shell/exit-codes.ts'
import { traceOf } from '../shell/failure.ts'
import { withUnfailingNotes, type Terminal } from '../shell/terminal.ts'
import type { PreparedGateway, Unprepared } from './exec-gateway.ts'
import { createExecOutput, type ExecOutput } from './exec-output.ts'
import { reportOf, shownCommand, shownProblem, type ExecReport } from './exec-report.ts'
import { prepareGateway } from './prepare-gateway.ts'
import { runCommand, type CommandEnd } from './run-command.ts'
import { seed } from './seeding.ts'
import { numberOf, relaySignals, sharesTerminal, type SignalRelay } from './signal-relay.ts'
import { onUnforeseen } from '../shell/unforeseen.ts'
import { withVariables } from '../../clients/variables.ts'
import { isYes } from './wanted-settings.ts'

export interface ExecOptions {
  readonly command: readonly string[]
  /** As it was given. */
  readonly seed: string | undefined
  readonly quiet: boolean
  /** false: start a gateway even if one runs. */
  readonly reuse: boolean
  /** File for the report as JSON. */
  readonly report: string | undefined
  /** As it was given. */
  readonly frozenTrust: boolean | undefined
}

interface Session {
  readonly terminal: Terminal
  readonly config: Config
  readonly options: ExecOptions
  readonly relay: SignalRelay
  readonly output: ExecOutput
  readonly seedMs: number
}

/** @returns the command's exit code */
export async function execCommand(
  given: Invocation,
  options: ExecOptions,
  { version }: { readonly version: string },
): Promise<number> {
  const terminal = withUnfailingNotes(given.terminal)
  const config = loadConfig({ ...given, terminal })
  const seedMs = seedTime(options.seed ?? terminal.env.CATALOG_EXEC_SEED)
  const output = createExecOutput(terminal, { ...options, json: config.json })
  // Not process.stdin: opening it would make a pipe non-blocking, for the command too.
  const relay = relaySignals(sharesTerminal())
  // The command goes on: whatever it asks of a gateway that no longer works fails, or is asked of its registry.
  const forgive = onUnforeseen((error) =>
    output.warn(`something failed that should not; please report it: ${traceOf(error)}`),
  )
  try {
    const session = { terminal, config, options, relay, output, seedMs }
    const { command, reuse } = options
    const frozenTrust = options.frozenTrust ?? isYes(terminal.env.CATALOG_EXEC_FROZEN_TRUST)
    const preparation = { terminal, config, command, reuse, frozenTrust, version, relay }
    const prepared = await prepareGateway(preparation)
    if (relay.received !== undefined) {
      if ('gateway' in prepared) await prepared.close()
      else await prepared.leave?.()
      return exitCodeOfSignal(numberOf(relay.received))
    }
    if ('gateway' in prepared) return await runWith(session, prepared)
    const code =
      prepared.refused === true ? refuse(session, prepared) : runWithout(session, prepared)
    return await code.finally(() => prepared.leave?.())
  } finally {
    forgive()
    relay.dispose()
  }
}

async function runWith(session: Session, prepared: PreparedGateway): Promise<number> {
  const { terminal, output } = session
  const { gateway, variables, note, before } = prepared
  try {
    if (note !== undefined) output.note(note)
    const ending = run(session, withVariables(withoutSwarm(terminal.env), variables))
    // It takes a while until it asks for its first package.
    gateway.meetPeers?.()
    let hasEnded = false
    before.catch((error: unknown) => {
      const isRunning = !hasEnded && session.relay.received === undefined
      if (isRunning) warnOfNone(output, problemOf(error))
    })
    const end = await ending
    hasEnded = true
    prepared.ended?.()
    // The command has ended: nothing that fails from here on may change its exit code.
    await reportAndSeed(session, prepared, end).catch((error: unknown) =>
      output.warn(`no report: ${String(error)}`),
    )
    return end.code
  } finally {
    await prepared.close()
  }
}

async function reportAndSeed(
  session: Session,
  { gateway, before: beginning, note }: PreparedGateway,
  end: CommandEnd,
): Promise<void> {
  const { options, output, relay, seedMs } = session
  const command = shownCommand(options.command)
  const outcome = { command, exitCode: end.code, durationMs: Math.round(end.durationMs) }
  const noted = { ...outcome, gateway: gateway.kind, ...(note !== undefined && { note }) }
  const before = await beginning.catch(problemOf)
  if (typeof before === 'string') {
    const report: ExecReport = { ...outcome, gateway: 'none', problem: before }
    await output.summarize(report)
    return output.finish(report)
  }
  const look = async (): Promise<ExecReport | undefined> => {
    // A daemon may have stopped in the meantime; the command is not affected.
    const after = await gateway.status().catch(() => undefined)
    return after && reportOf(noted, before, after)
  }
  const first = await look()
  if (first === undefined) {
    await output.finish({ ...outcome, gateway: 'none', problem: 'the daemon has gone meanwhile' })
    return
  }
  const failure = end.code === 0 ? undefined : gateway.failure?.()
  const warned = failure === undefined ? {} : { warning: shownProblem(failure) }
  if (warned.warning !== undefined) output.warn(warned.warning)
  await output.summarize({ ...first, ...warned })
  // A daemon that ran before goes on seeding by itself.
  const wantedMs = gateway.kind === 'own' && relay.received === undefined ? seedMs : 0
  if (wantedMs > 0) output.seeding(wantedMs)
  const uploadedBytes = async (): Promise<number> => (await gateway.status()).node.uploaded.bytes
  const seededMs = await seed({ durationMs: wantedMs, signal: relay.signal, uploadedBytes })
  const last = { ...((await look()) ?? first), ...warned }
  await output.finish({ ...last, seededMs: Math.round(seededMs) })
}

async function runWithout(session: Session, without: Unprepared): Promise<number> {
  const { terminal, options, output } = session
  const { next } = without
  const problem = shownProblem(without.problem)
  warnOfNone(output, problem, next)
  const end = await run(session, withVariables(withoutSwarm(terminal.env), {}))
  const report: ExecReport = {
    ...{ command: shownCommand(options.command), exitCode: end.code },
    ...{ durationMs: Math.round(end.durationMs), gateway: 'none', problem },
    ...(next !== undefined && { next }),
  }
  await output.summarize(report)
  await output.finish(report)
  return end.code
}

function warnOfNone(output: ExecOutput, problem: string, next?: string): void {
  const step = next === undefined ? '' : `. Next step: ${next}`
  output.warn(`${problem}; running the command without peers${step}`)
}

/** As it may be shown. */
function problemOf(error: unknown): string {
  return shownProblem(error instanceof Error ? error.message : String(error))
}

/** It would believe what the user has said shall not be believed. */
async function refuse(
  { output, options }: Session,
  { problem, next }: Unprepared,
): Promise<number> {
  const shown = shownProblem(problem)
  output.warn(
    `${shown}; the command does not run${next === undefined ? '' : `. Next step: ${next}`}`,
  )
  const exitCode = EXIT.usage
  const report = { command: shownCommand(options.command), exitCode, durationMs: 0 } as const
  await output.finish({ ...report, gateway: 'none', problem: shown, ...(next && { next }) })
  return exitCode
}

async function run(session: Session, env: Record<string, string>): Promise<CommandEnd> {
  const { terminal, options, relay, output } = session
  const end = await runCommand(options.command, { cwd: terminal.cwd, env, relay })
  if (end.problem !== undefined) output.warn(end.problem)
  return end
}

/** @throws CatalogError INVALID_OPTIONS */
function seedTime(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  const setting = { name: 'seed', group: 'Transfer', ...duration('start:seed', '') } as const
  const read = readValue(setting, text, { folder: '', home: '' })
  if (read.ok) return Number(read.value)
  throw new CatalogError('INVALID_OPTIONS', `--seed: expected ${read.expected}, got ${text}`, {
    hint: 'also from CATALOG_EXEC_SEED; --no-seed gives peers nothing at all',
  })
}
