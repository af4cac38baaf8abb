/** The command line of `catalog token`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addTokenCommand(program: Command, deps: ProgramDependencies): void {
  const token = program
    .command('token')
    .description('print the token with which clients publish to the network through this gateway')
  act(addCommonSettings(token), deps, async (invocation) => {
    const { tokenCommand } = await import('./token-command.ts')
    return tokenCommand(invocation)
  })
}
