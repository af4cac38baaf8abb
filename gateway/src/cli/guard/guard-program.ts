/** `catalog guard` and `catalog affected` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addGuardCommands(program: Command, deps: ProgramDependencies): void {
  const guard = program.command('guard').description('what the daemon does not give to clients')
  const status = guard.command('status').description('the rules, and the list of known malware')
  act(addCommonSettings(status), deps, async (invocation) => {
    const { guardStatusCommand } = await import('./guard-command.ts')
    return guardStatusCommand(invocation, 'status')
  })
  const update = guard.command('update').description('read the list of known malware again, now')
  act(addCommonSettings(update), deps, async (invocation) => {
    const { guardStatusCommand } = await import('./guard-command.ts')
    return guardStatusCommand(invocation, 'update')
  })
  const check = guard
    .command('check')
    .description('whether all that lockfiles name would be given out; nothing is installed')
    .argument('<lockfile...>', 'lockfiles of any client, or folders with one')
  act(addCommonSettings(check), deps, async (invocation, args) => {
    const { guardCheckCommand } = await import('./guard-command.ts')
    return guardCheckCommand(invocation, args[0] as string[])
  })
  const affected = program
    .command('affected')
    .description('which clients of this machine were given a version, and when')
    .argument('[name@version]', 'a package, with or without a version')
    .option('--all', 'everything that is known malware by now', false)
  act(addCommonSettings(affected), deps, async (invocation, args) => {
    const { affectedCommand } = await import('./affected-command.ts')
    const [subject, { all }] = args as [string | undefined, { all: boolean }]
    return affectedCommand(invocation, { subject, all })
  })
}
