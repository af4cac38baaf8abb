/** `catalog store` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings, collect } from '../shell/program-options.ts'

export function addStoreCommands(program: Command, deps: ProgramDependencies): void {
  const store = program.command('store').description('look after the artifacts on disk')
  const stat = store.command('stat').description('how much there is')
  act(addCommonSettings(stat), deps, async (invocation) => {
    const { storeStatCommand } = await import('./store-command.ts')
    return storeStatCommand(invocation)
  })
  const verify = store.command('verify').description('hash all again; what is damaged is removed')
  act(addCommonSettings(verify), deps, async (invocation) => {
    const { storeVerifyCommand } = await import('./store-command.ts')
    return storeVerifyCommand(invocation)
  })
  const prune = store
    .command('prune')
    .description('remove the least recently used artifacts, never pinned ones')
    .option('--target <size>', 'until this much is left; by default down to the quota')
  act(addCommonSettings(prune), deps, async (invocation, args) => {
    const { storePruneCommand } = await import('./store-command.ts')
    const [{ target }] = args as [{ target?: string }]
    return storePruneCommand(invocation, { target })
  })
  addPinCommand(store, deps, true)
  addPinCommand(store, deps, false)
}

function addPinCommand(store: Command, deps: ProgramDependencies, pinned: boolean): void {
  const pin = store
    .command(pinned ? 'pin' : 'unpin')
    .description(pinned ? 'keep artifacts, whatever the quota' : 'let artifacts go again')
    .argument('[digest...]', 'sha512-… as in lockfiles')
    .option('--lockfile <file>', 'all that this lockfile names (repeatable)', collect, [])
  act(addCommonSettings(pin), deps, async (invocation, args) => {
    const { storePinCommand } = await import('./store-command.ts')
    const [digests, { lockfile }] = args as [string[], { lockfile: string[] }]
    return storePinCommand(invocation, { digests, lockfiles: lockfile, pinned })
  })
}
