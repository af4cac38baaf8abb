/** The command line of `catalog trust`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

interface AddOptions {
  readonly root: boolean
  readonly note?: string
}

const SETTINGS = new Set(['trust-file', 'upstream', 'peers-only', 'json'])

export function addTrustCommands(program: Command, deps: ProgramDependencies): void {
  const trust = program
    .command('trust')
    .description('whose packages a scope or a name may come from, with no registry')
  const command = (name: string, description: string): Command =>
    addSettings(trust.command(name).description(description), (each) => SETTINGS.has(each.name))
  const add = command('add', 'take a scope or a package from a publisher of the network only')
    .argument('<scope|package>', '@scope, or a package')
    .argument('<fingerprint>', "of the publisher's key, as its owner reads it out")
    .option(
      '--root',
      "the key is an organisation's, and names the publishers by certificates",
      false,
    )
    .option('--note <text>', 'for you: whose it is')
  act(add, deps, async (invocation, args) => {
    const { trustAddCommand } = await import('./trust-command.ts')
    const [subject, fingerprint, options] = args as [string, string, AddOptions]
    return trustAddCommand(invocation, { subject, fingerprint, ...options })
  })
  const remove = command('remove', 'take it from a registry again')
    .argument('<scope|package>', 'as it was added')
    .argument('[fingerprint]', 'only this publisher')
  act(remove, deps, async (invocation, args) => {
    const { trustRemoveCommand } = await import('./trust-command.ts')
    const [subject, fingerprint] = args as [string, string | undefined]
    return trustRemoveCommand(invocation, { subject, fingerprint })
  })
  act(command('list', 'who is trusted with what'), deps, async (invocation) => {
    const { trustListCommand } = await import('./trust-command.ts')
    return trustListCommand(invocation)
  })
  const pin = command(
    'pin',
    'keep on purpose the publisher that was trusted at first use',
  ).argument('<package>', 'its fingerprint has been compared')
  act(pin, deps, async (invocation, args) => {
    const { trustPinCommand } = await import('./trust-command.ts')
    return trustPinCommand(invocation, args[0] as string)
  })
  const explain = command('explain', 'where a package comes from, and why').argument(
    '<package>',
    'any package',
  )
  act(explain, deps, async (invocation, args) => {
    const { trustExplainCommand } = await import('./trust-explain.ts')
    return trustExplainCommand(invocation, args[0] as string)
  })
}
