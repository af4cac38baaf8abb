/** `catalog config` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

export function addConfigCommand(program: Command, deps: ProgramDependencies): void {
  const config = program.command('config').description('every setting, and where its value is from')
  addSettings(config, () => true)
  act(config, deps, async (invocation) => {
    const { configCommand } = await import('./config-command.ts')
    return configCommand(invocation)
  })
}
