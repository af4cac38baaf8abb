/** The command line of `catalog publish`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addPublishCommand(program: Command, deps: ProgramDependencies): void {
  const publish = addCommonSettings(
    program
      .command('publish')
      .description('publish a package to the network, with a key of this machine'),
  )
    .argument('[package]', 'a .tgz, or a folder, which npm packs', '.')
    .option('--tag <tag>', 'set to this version; by default what package.json says, else latest')
  act(publish, deps, async (invocation, [path, options]) => {
    const { publishCommand } = await import('./publish-command.ts')
    const { tag } = options as { tag?: string }
    return publishCommand(invocation, { path: path as string, tag })
  })
}
