/**
 * The command line itself: all commands, in the order in which help lists them. Each command's code is loaded only when it
 * runs, so that help is there at once.
 */
import { Command } from 'commander'
import { addAssetCommands } from '../asset/asset-program.ts'
import { addBridgeCommand } from '../bridge/bridge-program.ts'
import { addBugCommand } from '../bug/bug-program.ts'
import { addCaCommands } from '../ca/ca-program.ts'
import { addCompletionCommands } from '../completion/completion-program.ts'
import { addConfigCommand } from '../config/config-program.ts'
import { addDoctorCommand } from '../doctor/doctor-program.ts'
import { addExplainCommand } from '../explain/explain-program.ts'
import { addExecCommand } from '../exec/exec-program.ts'
import { addGuardCommands } from '../guard/guard-program.ts'
import { addKeyCommands } from '../key/key-program.ts'
import { addLogsCommand } from '../logs/logs-program.ts'
import { addPrefetchCommand } from '../prefetch/prefetch-program.ts'
import { addPublishCommand } from '../publish/publish-program.ts'
import { addRegistryKeysCommands } from '../registry-keys/registry-keys-program.ts'
import { addSearchCommand } from '../search/search-program.ts'
import { addServiceCommands } from '../service/service-program.ts'
import { addShareCommand } from '../share/share-program.ts'
import { addStartCommand } from '../start/start-program.ts'
import { addStatusCommands } from '../status/status-program.ts'
import { addStoreCommands } from '../store/store-program.ts'
import { addTokenCommand } from '../token/token-program.ts'
import { addTopCommand } from '../top/top-program.ts'
import { addTrustCommands } from '../trust/trust-program.ts'
import { addSwarmCommands } from '../swarm/swarm-program.ts'
import { addUiCommand } from '../ui/ui-program.ts'
import { addUseCommands } from '../use/use-program.ts'
import { addWitnessCommands } from '../witness/witness-program.ts'
import type { ProgramDependencies } from './act.ts'
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts'

/** Where their name is the first word, they are all that is made: with dozens of options each, the others take 15 ms. */
const ALONE: Readonly<Record<string, (program: Command, deps: ProgramDependencies) => void>> = {
  exec: addExecCommand,
  start: addStartCommand,
}

/** @param wanted the first word of the command line, where there is one: what else there is need not be known then */
export function createProgram(deps: ProgramDependencies, wanted = ''): Command {
  const program = new Command('catalog')
  program
    .description('An npm registry on this machine that gets its packages from the machines around.')
    .version(deps.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .configureOutput({
      writeOut: (text) => deps.terminal.print(text.replace(/\n$/, '')),
      writeErr: (text) => deps.terminal.raw(text),
    })
    .showHelpAfterError('("--help" says more)')
    // Options behind a command are that command's: exec hands them on.
    .enablePositionalOptions()
    .exitOverride()
    .addHelpText('after', epilogue())
  const add = Object.hasOwn(ALONE, wanted) ? ALONE[wanted] : undefined
  if (add === undefined) addAll(program, deps)
  else add(program, deps)
  return program
}

function addAll(program: Command, deps: ProgramDependencies): void {
  addStartCommand(program, deps)
  addStatusCommands(program, deps)
  addTopCommand(program, deps)
  addUiCommand(program, deps)
  addExplainCommand(program, deps)
  addConfigCommand(program, deps)
  addDoctorCommand(program, deps)
  addLogsCommand(program, deps)
  addBugCommand(program, deps)
  addPrefetchCommand(program, deps)
  addSearchCommand(program, deps)
  addAssetCommands(program, deps)
  addStoreCommands(program, deps)
  addUseCommands(program, deps)
  addExecCommand(program, deps)
  addBridgeCommand(program, deps)
  addServiceCommands(program, deps)
  addKeyCommands(program, deps)
  addPublishCommand(program, deps)
  addShareCommand(program, deps)
  addTokenCommand(program, deps)
  addRegistryKeysCommands(program, deps)
  addGuardCommands(program, deps)
  addSwarmCommands(program, deps)
  addTrustCommands(program, deps)
  addCaCommands(program, deps)
  addWitnessCommands(program, deps)
  addCompletionCommands(program, deps)
  addHelpCommand(program)
}

/** Commander's own shows the help of everything for a command that there is not. */
function addHelpCommand(program: Command): void {
  program
    .command('help')
    .description('print help of a command')
    .argument('[command...]', 'as "key new"')
    .action((words: string[]) => {
      let found = program
      for (const word of words) {
        const next = found.commands.find((each) => each.name() === word)
        if (next === undefined) program.error(`error: no such command: ${words.join(' ')}`)
        found = next
      }
      found.help()
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
