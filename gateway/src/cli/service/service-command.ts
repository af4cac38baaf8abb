/** `catalog service install`, `uninstall` and `status`: the daemon as a service of this user, without root. */
import { setTimeout as sleep } from 'node:timers/promises'
import { defaultConfigFolder } from '../../config/config-file.ts'
import { findDaemon } from '../../admin/daemon-client.ts'
import { clientContext } from '../../clients/client.ts'
import { loadConfig, portOf, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import type { Terminal } from '../shell/terminal.ts'
import {
  daemonArguments,
  daemonOptions,
  thisProgram,
  variablesLeftBehind,
  type Program,
} from './daemon-arguments.ts'
import { replaceRunning, runAll, runEach, type Clock, type Run } from './replace-running.ts'
import { runSystemCommand, type RunSystemCommand } from './run-system-command.ts'
import { checkUninstall, conditionOf, installFile, uninstallFile } from './service-file.ts'
import { serviceKind, type CommandLine, type ServiceKind } from './service-kind.ts'
import { leftOut, refuseSecrets } from './service-options.ts'
import { serviceStatePath } from './service-state.ts'

export interface ServiceDependencies {
  readonly run: RunSystemCommand
  readonly configFolder: string
  readonly program: Program
  readonly uid: number | undefined
  readonly clock: Clock
}

export interface InstallOptions {
  /** false: only the file. */
  readonly start: boolean
  readonly force: boolean
}

export function serviceDependencies(): ServiceDependencies {
  const configFolder = defaultConfigFolder()
  return {
    ...{ run: runSystemCommand, configFolder, program: thisProgram(), uid: process.getuid?.() },
    clock: {
      nowMs: () => performance.now(),
      sleep: (ms, options) => sleep(ms, undefined, options),
    },
  }
}

export async function serviceInstallCommand(
  invocation: Invocation,
  { start, force }: InstallOptions,
  deps: ServiceDependencies,
): Promise<number> {
  const { terminal, configFile } = invocation
  const config = loadConfig(invocation)
  const options = daemonOptions(config, configFile)
  refuseSecrets(options)
  const { kind, file } = locate(terminal, deps, daemonArguments(deps.program, options))
  const { action, optionsBefore } = await installFile(file, { text: kind.text, options, force })
  const gone = leftOut(optionsBefore, options)
  const running = { run: runnerOf(terminal, deps), clock: deps.clock, signal: invocation.signal }
  const failed = start ? await replaceRunning(kind, running) : undefined
  const isRunning = start && failed === undefined
  if (config.json) {
    const { path } = kind
    const dropped = gone.map(({ option }) => option)
    const answer = { path, action, started: isRunning, dropped, ...(failed && { failed }) }
    terminal.print(JSON.stringify(answer))
    return failed === undefined ? EXIT.ok : EXIT.incomplete
  }
  terminal.print(`${terminal.paint('green', action.padEnd(9))} ${kind.path}`)
  for (const { option, isChanged } of gone) {
    terminal.print(`${terminal.paint('yellow', isChanged ? 'changed  ' : 'dropped  ')} ${option}`)
  }
  if (gone.length > 0) {
    warn(terminal, 'install replaces all options: give it those, too, that shall stay')
  }
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
  const run = runnerOf(terminal, deps)
  const stopped = condition === 'none' ? undefined : await runEach(kind.stop, run)
  const action = await uninstallFile(file)
  if (action !== 'unchanged') await runAll(kind.afterwards, run)
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

/** The service that is installed here; undefined when none is, or the platform has none that we know. */
export async function installedService(
  terminal: Terminal,
  deps: ServiceDependencies,
): Promise<ServiceKind | undefined> {
  if (terminal.platform === 'win32') return undefined
  const { kind, file } = locate(terminal, deps, [])
  return (await conditionOf(file)) === 'none' ? undefined : kind
}

function locate(terminal: Terminal, deps: ServiceDependencies, argv: readonly string[]) {
  const kind: ServiceKind = serviceKind({ ...clientContext(terminal), uid: deps.uid }, argv)
  return { kind, file: { path: kind.path, statePath: serviceStatePath(deps.configFolder) } }
}

function runnerOf({ env }: Terminal, { run }: ServiceDependencies): Run {
  return (command) => run(command, env)
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
