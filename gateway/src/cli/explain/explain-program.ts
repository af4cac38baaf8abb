/** `catalog explain` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addExplainCommand(program: Command, deps: ProgramDependencies): void {
  const explain = program
    .command('explain')
    .description('why the last install was fast or slow, and what would make the next one faster')
  act(addCommonSettings(explain), deps, async (invocation) => {
    const { explainCommand } = await import('./explain-command.ts')
    return explainCommand(invocation)
  })
}
