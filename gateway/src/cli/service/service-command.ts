/** `catalog service install`, `uninstall` and `status`: the daemon as a service of this user, without root. */
import { defaultConfigFolder } from '../../config/config-file.ts'
import { findDaemon } from '../../daemon-client.ts'
import { clientPlace } from '../clients/client-files.ts'
import { loadConfig, portOf, type Invocation } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'
import {
  daemonArguments,
  thisProgram,
  variablesLeftBehind,
  type Program,
} from './daemon-arguments.ts'
import { runSystemCommand, type RunSystemCommand } from './run-system-command.ts'
import { checkUninstall, conditionOf, installFile, uninstallFile } from './service-file.ts'
import { serviceKind, type CommandLine, type ServiceKind } from './service-kind.ts'
import { serviceStatePath } from './service-state.ts'

export interface ServiceDependencies {
  readonly run: RunSystemCommand
  readonly configFolder: string
  readonly program: Program
  readonly uid: number | undefined
}

export interface InstallOptions {
  /** false: only the file. */
  readonly start: boolean
  readonly force: boolean
}

export function serviceDependencies(): ServiceDependencies {
  const configFolder = defaultConfigFolder()
  return { run: runSystemCommand, configFolder, program: thisProgram(), uid: process.getuid?.() }
}

export async function serviceInstallCommand(
  invocation: Invocation,
  { start, force }: InstallOptions,
  deps: ServiceDependencies,
): Promise<number> {
  const { terminal, configFile } = invocation
  const config = loadConfig(invocation)
  const { kind, file } = locate(terminal, deps, daemonArguments(deps.program, config, configFile))
  const action = await installFile(file, { text: kind.text, force })
  // macOS keeps what it has loaded, so the old one has to go first; there need not be one.
  if (start && terminal.platform === 'darwin') await runAll(kind.stop, terminal, deps)
  const failed = start ? await runAll(kind.start, terminal, deps) : undefined
  const isRunning = start && failed === undefined
  if (config.json) {
    const { path } = kind
    terminal.print(JSON.stringify({ path, action, started: isRunning, ...(failed && { failed }) }))
    return failed === undefined ? EXIT.ok : EXIT.incomplete
  }
  terminal.print(`${terminal.paint('green', action.padEnd(9))} ${kind.path}`)
  for (const name of variablesLeftBehind(terminal)) {
    warn(terminal, `${name} is set in this shell only: give it as an option of install`)
  }
  if (isRunning) terminal.print(`${kind.name} runs now, and at every login`)
  else sayCommands(terminal, kind.start, failed?.reason)
  terminal.print(terminal.paint('dim', kind.hint))
  return failed === undefined ? EXIT.ok : EXIT.incomplete
}

export async function serviceUninstallCommand(
  invocation: Invocation,
  { force }: { readonly force: boolean },
  deps: ServiceDependencies,
): Promise<number> {
  const { terminal } = invocation
  const { json } = loadConfig(invocation)
  const { kind, file } = locate(terminal, deps, [])
  const condition = await checkUninstall(file, force)
  const stopped = condition === 'none' ? undefined : await runAll(kind.stop, terminal, deps)
  const action = await uninstallFile(file)
  if (action !== 'unchanged') await runAll(kind.afterwards, terminal, deps)
  if (json) {
    terminal.print(JSON.stringify({ path: kind.path, action, ...(stopped && { failed: stopped }) }))
    return EXIT.ok
  }
  if (action === 'unchanged') terminal.print('nothing to undo')
  else terminal.print(`${terminal.paint('green', action.padEnd(9))} ${kind.path}`)
  if (stopped !== undefined) warn(terminal, `it could not be stopped: ${stopped.reason}`)
  return EXIT.ok
}

export async function serviceStatusCommand(
  invocation: Invocation,
  deps: ServiceDependencies,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const { kind, file } = locate(terminal, deps, [])
  const condition = await conditionOf(file)
  const isRunning = (await deps.run(kind.isRunning, terminal.env)) === undefined
  const daemon = await findDaemon(config.storePath, portOf(config))
  const isInstalled = condition !== 'none'
  if (config.json) {
    const { path } = kind
    terminal.print(JSON.stringify({ path, file: condition, isRunning, url: daemon?.url ?? null }))
  } else {
    terminal.print(`file     ${kind.path}: ${WORDS[condition]}`)
    terminal.print(`service  ${isRunning ? 'runs' : 'does not run'}`)
    terminal.print(`daemon   ${daemon === undefined ? 'none answers' : daemon.url}`)
  }
  return isInstalled && isRunning ? EXIT.ok : EXIT.notRunning
}

const WORDS = {
  none: 'not installed',
  ours: 'as installed',
  changed: 'changed since it was installed',
  foreign: 'not written by catalog',
} as const

function locate(terminal: Terminal, deps: ServiceDependencies, argv: readonly string[]) {
  const kind: ServiceKind = serviceKind({ ...clientPlace(terminal), uid: deps.uid }, argv)
  return { kind, file: { path: kind.path, statePath: serviceStatePath(deps.configFolder) } }
}

interface Failure {
  readonly command: string
  readonly reason: string
}

/** Until one fails. */
async function runAll(
  commands: readonly CommandLine[],
  { env }: Terminal,
  { run }: ServiceDependencies,
): Promise<Failure | undefined> {
  for (const command of commands) {
    const reason = await run(command, env)
    if (reason !== undefined) return { command: command.join(' '), reason }
  }
  return undefined
}

function sayCommands(
  terminal: Terminal,
  commands: readonly CommandLine[],
  reason: string | undefined,
): void {
  if (reason !== undefined) warn(terminal, `it could not be started: ${reason}`)
  terminal.print('to start it:')
  for (const command of commands) terminal.print(`  ${command.map(shellWord).join(' ')}`)
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function warn(terminal: Terminal, text: string): void {
  terminal.note(`${terminal.paintNote('yellow', 'catalog: warning:')} ${text}`)
}
