/** `catalog bug` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

export function addBugCommand(program: Command, deps: ProgramDependencies): void {
  const bug = program
    .command('bug')
    .description('a report to put into an issue: no secrets, no names of packages; JSON')
    .argument('[file]', 'where to write it; by default it is printed')
    .option('--with-names', 'names of packages, scopes and hosts in it', false)
  act(addCommonSettings(bug), deps, async (invocation, args) => {
    const { bugCommand, bugSources } = await import('./bug-command.ts')
    const [file, { withNames }] = args as [string | undefined, { withNames: boolean }]
    return bugCommand(invocation, { file, withNames }, bugSources(deps.version))
  })
}
