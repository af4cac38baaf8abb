/** `catalog witness` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings, addSettings } from '../shell/program-options.ts'

export function addWitnessCommands(program: Command, deps: ProgramDependencies): void {
  const witness = program
    .command('witness')
    .description('run the daemon as a witness: it signs for peers what its registry says')
  addSettings(witness, ({ name }) => name !== 'countersign')
  act(witness, deps, async (invocation) => {
    deps.takeSignals()
    const { witnessCommand } = await import('./witness-command.ts')
    return witnessCommand(invocation, deps)
  })
  const key = witness
    .command('key')
    .description("this machine's key as a witness, which others name with --witness")
  act(addCommonSettings(key), deps, async (invocation) => {
    const { witnessKeyCommand } = await import('./witness-command.ts')
    return witnessKeyCommand(invocation)
  })
}
