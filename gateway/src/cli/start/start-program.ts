/** `catalog start` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

const MORE = '\nMore options, and the config file: docs/options.md or "catalog config".'

export function addStartCommand(program: Command, deps: ProgramDependencies): void {
  const start = program.command('start').description('run the daemon in the foreground')
  addSettings(start, () => true)
  start.addHelpText('after', MORE)
  act(start, deps, async (invocation) => {
    deps.takeSignals()
    const { startCommand } = await import('./start-command.ts')
    return startCommand(invocation, deps)
  })
}
