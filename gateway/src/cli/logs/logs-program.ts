/** `catalog logs` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

export function addLogsCommand(program: Command, deps: ProgramDependencies): void {
  const logs = program
    .command('logs')
    .description('what the service has logged; with --json, the command that shows it')
    .option('-f, --follow', 'and what it logs from now on', false)
    .option('-n, --lines <number>', 'how many of the last lines', '100')
  addSettings(logs, ({ name }) => name === 'json')
  act(logs, deps, async (invocation, args) => {
    const { logsCommand } = await import('./logs-command.ts')
    const { serviceDependencies } = await import('../service/service-command.ts')
    const [options] = args as [{ follow: boolean; lines: string }]
    deps.takeSignals()
    return logsCommand(invocation, options, serviceDependencies())
  })
}
