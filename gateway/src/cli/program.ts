/**
 * The command line itself: commands, their arguments and help. Each command's code is loaded only when it runs, so that help
 * is there at once.
 */
import { Command } from 'commander'
import type { ClientName } from '../clients/client.ts'
import { CLIENTS } from '../clients/client.ts'
import type { Invocation } from './command.ts'
import { addExecCommand } from './exec-program.ts'
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts'
import { addKeysCommands } from './keys-program.ts'
import {
  addCommonSettings,
  addSettings,
  collect,
  givenSettings,
  parseClient,
} from './program-options.ts'
import { addServiceCommands } from './service-program.ts'
import type { Terminal } from './terminal.ts'
import type { UseFlags } from './use/use-command.ts'

export interface ProgramDependencies {
  readonly terminal: Terminal
  readonly version: string
  /** Ctrl-C. */
  readonly signal: AbortSignal
  /** Hands SIGINT and its like over to the command that runs until then. */
  readonly takeSignals: () => void
  /** From now on nobody reading our words is no reason to end. */
  readonly outliveReaders: () => void
  readonly exit: (code: number) => never
  /** Told the exit code of the command that ran, and whether it was asked for JSON. */
  readonly run: (command: () => Promise<number>, json: boolean) => Promise<void>
}

/** Runs a command's action; see act(). */
export type Act = (command: Command, deps: ProgramDependencies, run: Run) => void

export type Run = (invocation: Invocation, args: readonly unknown[]) => Promise<number>

export function createProgram(deps: ProgramDependencies): Command {
  const program = new Command('catalog')
  program
    .description('An npm registry on this machine that gets its packages from the machines around.')
    .version(deps.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .configureOutput({
      writeOut: (text) => deps.terminal.print(text.replace(/\n$/, '')),
      writeErr: (text) => deps.terminal.raw(text),
    })
    .showHelpAfterError('("--help" says more)')
    // What stands behind a command is that command's: exec hands it on.
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText('after', epilogue())
  addDaemonCommands(program, deps)
  addStoreCommands(program, deps)
  addClientCommands(program, deps)
  addExecCommand(program, deps, act)
  addServiceCommands(program, deps, act)
  addKeysCommands(program, (command, run) => act(command, deps, run))
  return program
}

function addDaemonCommands(program: Command, deps: ProgramDependencies): void {
  const start = program.command('start').description('run the daemon in the foreground')
  addSettings(start, () => true)
  start.addHelpText(
    'after',
    '\nMore options, and the config file: docs/options.md or "catalog config".',
  )
  act(start, deps, async (invocation) => {
    deps.takeSignals()
    const { startCommand } = await import('./start/start-command.ts')
    return startCommand(invocation, deps)
  })
  const status = program.command('status').description('what the daemon has and does')
  act(addCommonSettings(status), deps, async (invocation) => {
    const { statusCommand } = await import('./status-command.ts')
    return statusCommand(invocation)
  })
  const peers = program.command('peers').description('whom the daemon is connected to')
  act(addCommonSettings(peers), deps, async (invocation) => {
    const { peersCommand } = await import('./status-command.ts')
    return peersCommand(invocation)
  })
  const config = program.command('config').description('every setting, and where its value is from')
  act(
    addSettings(config, () => true),
    deps,
    async (invocation) => {
      const { configCommand } = await import('./config-command.ts')
      return configCommand(invocation)
    },
  )
  const doctor = program
    .command('doctor')
    .description('check ports, UDP, mDNS, peers, upstream and clients, each with the next step')
  act(
    addSettings(doctor, () => true),
    deps,
    async (invocation) => {
      const { doctorCommand } = await import('./doctor/doctor-command.ts')
      return doctorCommand(invocation)
    },
  )
}

interface PlatformOptions {
  readonly all: boolean
  readonly os?: string
  readonly cpu?: string
  readonly libc?: string
}

function addStoreCommands(program: Command, deps: ProgramDependencies): void {
  const prefetch = program
    .command('prefetch')
    .description('fetch what lockfiles name, ahead of an install')
    .argument(
      '<lockfile...>',
      'package-lock.json, npm-shrinkwrap.json, pnpm-lock.yaml, yarn.lock, bun.lock, deno.lock, or a folder with one',
    )
    .option('--all', 'packages of every platform', false)
    .option('--os <name>', 'of another system than this one: linux, darwin, win32')
    .option('--cpu <name>', 'of another processor: x64, arm64')
    .option('--libc <name>', 'of another C library: glibc, musl')
  act(addCommonSettings(prefetch), deps, async (invocation, args) => {
    const { prefetchCommand } = await import('./prefetch-command.ts')
    const [lockfiles, { all, os, cpu, libc }] = args as [string[], PlatformOptions]
    return prefetchCommand(invocation, { lockfiles, all, os, cpu, libc })
  })
  const store = program.command('store').description('look after the artifacts on disk')
  const stat = store.command('stat').description('how much there is')
  act(addCommonSettings(stat), deps, async (invocation) => {
    const { storeStatCommand } = await import('./store-command.ts')
    return storeStatCommand(invocation)
  })
  const verify = store.command('verify').description('hash all again; what is damaged is removed')
  act(addCommonSettings(verify), deps, async (invocation) => {
    const { storeVerifyCommand } = await import('./store-command.ts')
    return storeVerifyCommand(invocation)
  })
  const prune = store
    .command('prune')
    .description('remove the least recently used artifacts, never pinned ones')
    .option('--target <size>', 'until this much is left; by default down to the quota')
  act(addCommonSettings(prune), deps, async (invocation, args) => {
    const { storePruneCommand } = await import('./store-command.ts')
    const [{ target }] = args as [{ target?: string }]
    return storePruneCommand(invocation, { target })
  })
  addPinCommand(store, deps, true)
  addPinCommand(store, deps, false)
}

function addPinCommand(store: Command, deps: ProgramDependencies, pinned: boolean): void {
  const pin = store
    .command(pinned ? 'pin' : 'unpin')
    .description(pinned ? 'keep artifacts, whatever the quota' : 'let artifacts go again')
    .argument('[digest...]', 'sha512-… as in lockfiles')
    .option('--lockfile <file>', 'all that this lockfile names (repeatable)', collect, [])
  act(addCommonSettings(pin), deps, async (invocation, args) => {
    const { storePinCommand } = await import('./store-command.ts')
    const [digests, { lockfile }] = args as [string[], { lockfile: string[] }]
    return storePinCommand(invocation, { digests, lockfiles: lockfile, pinned })
  })
}

function addClientCommands(program: Command, deps: ProgramDependencies): void {
  const use = program
    .command('use')
    .description('point a package manager of this user at the daemon')
    .argument('<client>', CLIENTS.join(', '), parseClient)
    .option('--pnpmfile [file]', "pnpm only: leave the registry, set pnpm's global pnpmfile")
    .option('--force', 'though the daemon asks another registry than the client does now', false)
  act(addCommonSettings(use), deps, async (invocation, args) => {
    const { useCommand } = await import('./use/use-command.ts')
    const [client, options] = args as [ClientName, UseFlags]
    return useCommand(invocation, client, options)
  })
  const unuse = program
    .command('unuse')
    .description('put back exactly what was there before "use"')
    .argument(
      '[client...]',
      `${CLIENTS.join(', ')}; by default all`,
      (text: string, before: ClientName[] | undefined) => [...(before ?? []), parseClient(text)],
    )
  act(addCommonSettings(unuse), deps, async (invocation, args) => {
    const { unuseCommand } = await import('./use/use-command.ts')
    const clients = args[0] as ClientName[] | undefined
    return unuseCommand(invocation, clients?.length === 0 ? undefined : clients)
  })
}

/** Commander passes a command's arguments, its options, and itself. */
function act(command: Command, deps: ProgramDependencies, run: Run): void {
  command.action(async (...args: unknown[]) => {
    const flags = givenSettings(command)
    const { config } = command.opts<{ config?: string }>()
    const invocation = {
      terminal: deps.terminal,
      signal: deps.signal,
      flags,
      configFile: config,
    }
    await deps.run(() => run(invocation, args.slice(0, -1)), flags.json === true)
  })
}

function epilogue(): string {
  const codes = Object.entries(EXIT).map(
    ([name, code]) => `  ${code}  ${EXIT_MEANINGS[name as keyof typeof EXIT]}`,
  )
  return `
Every command takes --json. Settings come from flags, CATALOG_* variables and the config file, in this
order; "catalog config" prints them, docs/options.md explains them.

First steps:
  catalog start           the daemon; then, in another terminal:
  catalog use npm         npm gets its packages from it (undo: catalog unuse npm)
  catalog exec -- npm ci  for one command, as in CI; needs no daemon
  catalog doctor          when something is not as it should be

Exit codes:
${codes.join('\n')}`
}
