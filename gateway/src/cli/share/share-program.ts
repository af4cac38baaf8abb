/** The command line of `catalog share`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addShareCommand(program: Command, deps: ProgramDependencies): void {
  const share = addCommonSettings(
    program
      .command('share')
      .description(
        'share a package with the machines that are connected: prints a line that installs it',
      ),
  )
    .argument('[package]', 'a .tgz, or a folder, which npm packs', '.')
    .option('--even-if-private', 'share what says it is private, or is of a private scope')
    .option('--list', 'what this machine shares')
    .option('--remove <package>', 'share it no more: NAME, NAME@VERSION or its address')
  act(share, deps, async (invocation, [path, options]) => {
    const { shareCommand, sharedCommand, unshareCommand } = await import('./share-command.ts')
    const {
      list,
      remove,
      evenIfPrivate = false,
    } = options as {
      list?: boolean
      remove?: string
      evenIfPrivate?: boolean
    }
    if (remove !== undefined) return unshareCommand(invocation, remove)
    if (list === true) return sharedCommand(invocation)
    return shareCommand(invocation, { path: path as string, evenIfPrivate })
  })
}
