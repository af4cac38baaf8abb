/** `catalog top` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addTopCommand(program: Command, deps: ProgramDependencies): void {
  const top = program
    .command('top')
    .description('watch the daemon: sources, the install that runs, peers; q leaves')
  act(addCommonSettings(top), deps, async (invocation) => {
    const { topCommand } = await import('./top-command.ts')
    return topCommand(invocation)
  })
}
