/** `catalog completion` on the command line, and the hidden `catalog complete` that its scripts ask. */
import { Argument, type Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell']

export function addCompletionCommands(program: Command, deps: ProgramDependencies): void {
  const completion = program
    .command('completion')
    .description('print the script by which a shell completes commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
  act(completion, deps, async ({ terminal }, args) => {
    const { completionCommand } = await import('./completion-command.ts')
    return completionCommand(terminal, args[0] as string)
  })
  const complete = program
    .command('complete', { hidden: true })
    .description('what may come next, for the scripts of "catalog completion"')
    .argument('[words...]', 'what has been typed; the last word is the one to complete')
  act(complete, deps, async ({ terminal }, args) => {
    const { completeCommand } = await import('./completion-command.ts')
    return completeCommand(terminal, program, args[0] as string[])
  })
}
