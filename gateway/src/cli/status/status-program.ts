/** `catalog status` and `catalog peers` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addStatusCommands(program: Command, deps: ProgramDependencies): void {
  const status = program.command('status').description('what the daemon has and does')
  act(addCommonSettings(status), deps, async (invocation) => {
    const { statusCommand } = await import('./status-command.ts')
    return statusCommand(invocation)
  })
  const peers = program.command('peers').description('whom the daemon is connected to')
  act(addCommonSettings(peers), deps, async (invocation) => {
    const { peersCommand } = await import('./status-command.ts')
    return peersCommand(invocation)
  })
}
