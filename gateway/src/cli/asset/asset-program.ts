/** The command lines of `catalog info` and `catalog get`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'

const WHAT = 'name, name@1.2.3, or an Asset ID: catalog:name@1.2.3:<root>'

export function addAssetCommands(program: Command, deps: ProgramDependencies): void {
  const info = addCommonSettings(
    program.command('info').description('what a version is: its bytes, its publisher'),
  ).argument('<package>', WHAT)
  act(info, deps, async (invocation, args) => {
    const { infoCommand } = await import('./asset-command.ts')
    return infoCommand(invocation, args[0] as string)
  })
  const get = addCommonSettings(
    program.command('get').description('fetch the archive of a version into a file'),
  )
    .argument('<package>', WHAT)
    .option('-o, --output <file>', 'where to; by default NAME-VERSION.tgz here')
  act(get, deps, async (invocation, [asset, options]) => {
    const { getCommand } = await import('./asset-command.ts')
    const { output } = options as { output?: string }
    return getCommand(invocation, { asset: asset as string, output })
  })
}
