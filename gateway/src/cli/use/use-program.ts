/** `catalog use` and `catalog unuse` on the command line. */
import { InvalidArgumentError, type Command } from 'commander'
import { CLIENTS, type ClientName } from '../../clients/client.ts'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addCommonSettings } from '../shell/program-options.ts'
import type { UseFlags } from './use-command.ts'

export function addUseCommands(program: Command, deps: ProgramDependencies): void {
  const use = program
    .command('use')
    .description('point a package manager of this user at the daemon')
    .argument('<client>', CLIENTS.join(', '), parseClient)
    .option('--pnpmfile [file]', "pnpm only: leave the registry, set pnpm's global pnpmfile")
    .option('--force', 'though the daemon asks another registry than the client does now', false)
  act(addCommonSettings(use), deps, async (invocation, args) => {
    const { useCommand } = await import('./use-command.ts')
    const [client, options] = args as [ClientName, UseFlags]
    return useCommand(invocation, client, options)
  })
  const unuse = program
    .command('unuse')
    .description('put back exactly what was there before "use"')
    .argument(
      '[client...]',
      `${CLIENTS.join(', ')}; by default all`,
      (text: string, before: ClientName[] | undefined) => [...(before ?? []), parseClient(text)],
    )
  act(addCommonSettings(unuse), deps, async (invocation, args) => {
    const { unuseCommand } = await import('./use-command.ts')
    const clients = args[0] as ClientName[] | undefined
    return unuseCommand(invocation, clients?.length === 0 ? undefined : clients)
  })
}

function parseClient(text: string): ClientName {
  const client = CLIENTS.find((name) => name === text)
  if (client !== undefined) return client
  throw new InvalidArgumentError(`Known are ${CLIENTS.join(', ')}.`)
}
