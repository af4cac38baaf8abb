/** `catalog ui` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addUiCommand(program: Command, deps: ProgramDependencies): void {
  const ui = program
    .command('ui')
    .description("print the dashboard's address, with the token that shows private names too")
  act(addCommonSettings(ui), deps, async (invocation) => {
    const { uiCommand } = await import('./ui-command.ts')
    return uiCommand(invocation)
  })
}
