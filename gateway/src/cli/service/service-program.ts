/** `catalog service` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings, addSettings } from '../shell/program-options.ts'

const FORCE =
  'even if the file is not ours or was changed since; uninstall brings back what was there'

export function addServiceCommands(program: Command, deps: ProgramDependencies): void {
  const service = program
    .command('service')
    .description('run the daemon as a service of this user (systemd, launchd, Task Scheduler)')
  const install = service
    .command('install')
    .description('write the service, with the options given here, and start it')
    .option('--no-start', 'write the file only')
    .option('--force', FORCE, false)
  act(
    addSettings(install, () => true),
    deps,
    async (invocation, args) => {
      const service = await import('./service-command.ts')
      const [options] = args as [{ start: boolean; force: boolean }]
      return service.serviceInstallCommand(invocation, options, service.serviceDependencies())
    },
  )
  const uninstall = service
    .command('uninstall')
    .description('stop it and take the file away again')
    .option('--force', 'even if the file was changed since', false)
  act(addCommonSettings(uninstall), deps, async (invocation, args) => {
    const service = await import('./service-command.ts')
    const [options] = args as [{ force: boolean }]
    return service.serviceUninstallCommand(invocation, options, service.serviceDependencies())
  })
  const status = service.command('status').description('whether it is installed, and runs')
  act(addCommonSettings(status), deps, async (invocation) => {
    const service = await import('./service-command.ts')
    return service.serviceStatusCommand(invocation, service.serviceDependencies())
  })
}
