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
  const init = config
    .command('init')
    .description('write a config file to begin with; never overwrites one')
    .argument('[file]', 'by default config.yaml in the config folder')
  act(addJson(init), deps, async (invocation, args) => {
    const { configInitCommand } = await import('./config-file-command.ts')
    return configInitCommand(invocation, args[0] as string | undefined)
  })
  const validate = config
    .command('validate')
    .description('check a config file: each mistake with its line')
    .argument('[file]', 'by default the one that "catalog start" would read')
  act(addJson(validate), deps, async (invocation, args) => {
    const { configValidateCommand } = await import('./config-file-command.ts')
    return configValidateCommand(invocation, args[0] as string | undefined)
  })
  const schema = config
    .command('schema')
    .description('print the JSON schema of the config file, for editors')
  act(schema, deps, async (invocation) => {
    const { configSchemaCommand } = await import('./config-file-command.ts')
    return configSchemaCommand(invocation)
  })
}

function addJson(command: Command): Command {
  return addSettings(command, ({ name }) => name === 'json')
}
