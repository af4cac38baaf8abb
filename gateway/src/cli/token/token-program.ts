/** The command line of `catalog token`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addTokenCommand(program: Command, deps: ProgramDependencies): void {
  const token = program
    .command('token')
    .description('print the token with which clients publish to the network through this gateway')
    .option('--builds', 'the one with which build tools write their results, and nothing else')
  act(addCommonSettings(token), deps, async (invocation, [options]) => {
    const { tokenCommand } = await import('./token-command.ts')
    const { builds = false } = options as { builds?: boolean }
    return tokenCommand(invocation, builds ? 'build' : 'publish')
  })
}
