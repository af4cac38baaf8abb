/**
 * `catalog exec -- CMD`: runs a command whose package manager gets its packages from peers, by environment alone, and ends
 * with the command's own code. Whatever fails on our side costs the command nothing but the help: it then runs as it would
 * without us.
 */
import { CatalogError } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { duration } from '../../config/setting.ts'
import { readValue } from '../../config/values.ts'
import { loadConfig, type Invocation } from '../command.ts'
import { exitCodeOfSignal } from '../exit-codes.ts'
import { withUnfailingNotes, type Terminal } from '../terminal.ts'
import { withVariables } from './client-variables.ts'
import type { ExecGateway, ExecStatus, StandIn } from './exec-gateway.ts'
import { createExecOutput, type ExecOutput } from './exec-output.ts'
import { reportOf, shownCommand, shownProblem, type ExecReport } from './exec-report.ts'
import { prepareGateway } from './prepare-gateway.ts'
import { runCommand, type CommandEnd } from './run-command.ts'
import { seed } from './seeding.ts'
import { numberOf, relaySignals, sharesTerminal, type SignalRelay } from './signal-relay.ts'

export interface ExecOptions {
  readonly command: readonly string[]
  /** As it was given. */
  readonly seed: string | undefined
  readonly quiet: boolean
  /** false: start a gateway even if one runs. */
  readonly reuse: boolean
  /** File for the report as JSON. */
  readonly report: string | undefined
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
  try {
    const session = { terminal, config, options, relay, output, seedMs }
    const { command, reuse } = options
    const prepared = await prepareGateway({ terminal, config, command, reuse, version, relay })
    if (relay.received !== undefined) {
      if ('gateway' in prepared) await prepared.close()
      else await prepared.leave?.()
      return exitCodeOfSignal(numberOf(relay.received))
    }
    if ('gateway' in prepared) return await runWith(session, prepared)
    const code = await runWithout(session, prepared)
    await prepared.leave?.()
    return code
  } finally {
    relay.dispose()
  }
}

/** Ready to be used. */
export interface PreparedGateway {
  readonly gateway: ExecGateway
  /** What it had done before it did something for the command. */
  readonly before: ExecStatus
  /** For the command. */
  readonly variables: Readonly<Record<string, string>>
  /** Who inside of the command is left alone, and why. */
  readonly note: string | undefined
  /** When the command has ended: what its user must know of what it wrote. Never throws, never takes long. */
  afterwards?(): Promise<string | undefined>
  /** Never throws, never takes long. */
  close(): Promise<void>
}

/** Why there is no gateway for the command, and what its user can do about it, if anything. */
export interface Unprepared {
  readonly problem: string
  readonly next?: string
  /** Cleans up after a start that came to nothing. Never throws, never takes long. */
  leave?(): Promise<void>
}

async function runWith(session: Session, prepared: PreparedGateway): Promise<number> {
  const { terminal, output } = session
  const { gateway, variables, note } = prepared
  try {
    if (note !== undefined) output.note(note)
    const over = new AbortController()
    const keeping = gateway
      .keep?.({ signal: over.signal, warn: (text) => output.warn(text) })
      .catch(() => undefined)
    const end = await run(session, withVariables(terminal.env, variables))
    over.abort()
    const standIn = await keeping
    // The command has ended: what we make of it afterwards is no business of its exit code's.
    await tellAndSeed(session, prepared, { end, standIn }).catch((error: unknown) =>
      output.warn(`no report: ${String(error)}`),
    )
    return end.code
  } finally {
    await prepared.close()
  }
}

async function tellAndSeed(
  session: Session,
  prepared: PreparedGateway,
  { end, standIn }: { end: CommandEnd; standIn: StandIn | undefined },
): Promise<void> {
  const { options, output, relay, seedMs } = session
  const { note } = prepared
  const command = shownCommand(options.command)
  const counted = standIn?.gateway ?? prepared.gateway
  const before = standIn?.before ?? prepared.before
  const outcome = { command, exitCode: end.code, durationMs: Math.round(end.durationMs) }
  const look = async (): Promise<ExecReport | undefined> => {
    // A daemon may have gone in the meantime; that is no business of the command's.
    const after = await counted.status().catch(() => undefined)
    if (after === undefined) return undefined
    return reportOf(
      { ...outcome, gateway: counted.kind, ...(note !== undefined && { note }) },
      before,
      after,
    )
  }
  const first = await look()
  if (first === undefined) {
    await output.finish({ ...outcome, gateway: 'none', problem: 'the daemon has gone meanwhile' })
    return
  }
  const warning = await prepared.afterwards?.()
  const failure = end.code === 0 ? undefined : counted.failure?.()
  if (failure !== undefined) output.warn(shownProblem(failure))
  const replaced = standIn === undefined ? undefined : REPLACED
  const warnings = [replaced, failure && shownProblem(failure), warning].filter(Boolean)
  const warned = warnings.length === 0 ? {} : { warning: warnings.join('. ') }
  await output.summarize({ ...first, ...warned })
  if (warning !== undefined) output.warn(warning)
  // A daemon that was there goes on seeding by itself.
  const wantedMs = counted.kind === 'own' && relay.received === undefined ? seedMs : 0
  if (wantedMs > 0) output.seeding(wantedMs)
  const uploadedBytes = async (): Promise<number> => (await counted.status()).node.uploaded.bytes
  const seededMs = await seed({ durationMs: wantedMs, signal: relay.signal, uploadedBytes })
  const last = { ...((await look()) ?? first), ...warned }
  await output.finish({ ...last, seededMs: Math.round(seededMs) })
}

const REPLACED =
  'the daemon has gone while the command ran, and a gateway of our own took its place: only what that one gave is counted'

async function runWithout(session: Session, without: Unprepared): Promise<number> {
  const { terminal, options, output } = session
  const { next } = without
  const problem = shownProblem(without.problem)
  const step = next === undefined ? '' : `. Next step: ${next}`
  output.warn(`${problem}; running the command without peers${step}`)
  const end = await run(session, withVariables(terminal.env, {}))
  const report: ExecReport = {
    ...{ command: shownCommand(options.command), exitCode: end.code },
    ...{ durationMs: Math.round(end.durationMs), gateway: 'none', problem },
    ...(next !== undefined && { next }),
  }
  await output.summarize(report)
  await output.finish(report)
  return end.code
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
