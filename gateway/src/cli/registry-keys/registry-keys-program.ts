/** The command line of `catalog registry-keys`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

interface RegistryOption {
  readonly registry?: string
}

interface ImportOptions extends RegistryOption {
  readonly replace: boolean
  readonly dropPinned: boolean
}

const SETTINGS = new Set(['keyring', 'upstream', 'json'])

export function addRegistryKeysCommands(program: Command, deps: ProgramDependencies): void {
  const keys = program
    .command('registry-keys')
    .description('look after the keys that registries sign packages with (npm audit signatures)')
  const add = (name: string, description: string): Command =>
    addSettings(keys.command(name).description(description), (each) => SETTINGS.has(each.name))
      // Not --upstream, which is where the daemon gets packages from.
      .option('--registry <url>', 'whose keys; by default those of the registry behind the daemon')
  act(
    add('list', 'the keys that count, and where they are from'),
    deps,
    async (invocation, args) => {
      const { keysListCommand } = await import('./registry-keys-command.ts')
      return keysListCommand(invocation, args[0] as RegistryOption)
    },
  )
  act(
    add('update', 'take over the keys that the registry publishes now'),
    deps,
    async (invocation, args) => {
      const { keysUpdateCommand } = await import('./registry-keys-command.ts')
      return keysUpdateCommand(invocation, args[0] as RegistryOption)
    },
  )
  const take = add('import', 'take over keys from a file, with no network')
    .argument(
      '<file>',
      "a registry's answer to /-/npm/v1/keys, or Sigstore's keys.json; - reads standard input",
    )
    .option('--replace', 'forget the keys that are not in the file', false)
    .option('--drop-pinned', "even npm's own pinned ones", false)
  act(take, deps, async (invocation, args) => {
    const { keysImportCommand } = await import('./registry-keys-command.ts')
    const [file, options] = args as [string, ImportOptions]
    return keysImportCommand(invocation, { ...options, file })
  })
  act(
    add('export', 'print the keys in the form that "import" takes'),
    deps,
    async (invocation, args) => {
      const { keysExportCommand } = await import('./registry-keys-command.ts')
      return keysExportCommand(invocation, args[0] as RegistryOption)
    },
  )
}
