/** The command line of `catalog bridge`. */
import { Argument, type Command } from 'commander'
import { CatalogError } from '@catalog-p2p/core'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'
import { WHERE, type Where } from './bridge-place.ts'

interface BridgeFlags {
  readonly address?: string
  readonly bridgePort?: string
  readonly undo?: true
  readonly list?: true
}

export function addBridgeCommand(program: Command, deps: ProgramDependencies): void {
  const bridge = program
    .command('bridge')
    .description('let containers and sandboxes get public packages from the daemon')
    .addArgument(new Argument('[where]', 'what is on the other side').choices(WHERE))
    .option('--address <ip>', 'of this machine, as the other side reaches it')
    .option('--bridge-port <number>', 'TCP port there, where the usual one is taken')
    .option('--undo', 'close it again')
    .option('--list', 'what is open')
  act(addCommonSettings(bridge), deps, async (invocation, [where, options]) => {
    const { bridgeCommand, bridgesCommand, unbridgeCommand } = await import('./bridge-command.ts')
    const { address, bridgePort, undo, list } = options as BridgeFlags
    if (list === true) return bridgesCommand(invocation)
    if (where === undefined) {
      throw new CatalogError(
        'INVALID_OPTIONS',
        `say what is on the other side: catalog bridge ${WHERE.slice(0, -1).join(', ')} or ${WHERE.at(-1)}`,
      )
    }
    const to = where as Where
    return undo === true
      ? unbridgeCommand(invocation, to)
      : bridgeCommand(invocation, to, {
          address,
          bridgePort: bridgePort === undefined ? undefined : Number(bridgePort),
        })
  })
}
