/** The command line of `catalog swarm`. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings, collect } from '../shell/program-options.ts'
import type { InitOptions, InviteOptions, RotateOptions } from './swarm-command.ts'

const SETTINGS = new Set(['swarm', 'store', 'port', 'json'])

export function addSwarmCommands(program: Command, deps: ProgramDependencies): void {
  const swarm = program
    .command('swarm')
    .description('a network of your own machines, which no other machine can join or look into')
  const add = (name: string, description: string): Command =>
    addSettings(swarm.command(name).description(description), (each) => SETTINGS.has(each.name))

  const init = add('init', 'make one, with this machine as its first member')
    .option('--name <name>', 'what certificates and people call it', 'swarm')
    .option(
      '--share <scope>',
      'scope that its members may have, but from machines that call it private (repeatable)',
      collect,
    )
    .option('--root <fingerprint>', 'only machines that this key has certified are members')
  act(init, deps, async (invocation, args) => {
    const { swarmInitCommand } = await import('./swarm-command.ts')
    return swarmInitCommand(invocation, args[0] as InitOptions)
  })

  const invite = add('invite', 'print a line that lets another machine in; the daemon answers it')
    .option('--for <time>', 'how long it counts: 30m, 24h, 7d', '24h')
    .option('--many', 'for as many machines as come until then; else for one', false)
  act(invite, deps, async (invocation, args) => {
    const { swarmInviteCommand } = await import('./invite-command.ts')
    return swarmInviteCommand(invocation, args[0] as InviteOptions)
  })

  const join = add('join', 'become a member by such a line').argument(
    '[invite]',
    'the line; without it, or with -, it is read from standard input',
  )
  act(join, deps, async (invocation, args) => {
    const { swarmJoinCommand } = await import('./invite-command.ts')
    return swarmJoinCommand(invocation, args[0] as string | undefined)
  })

  act(add('members', 'the swarm, and who of it is connected'), deps, async (invocation) => {
    const { swarmMembersCommand } = await import('./swarm-command.ts')
    return swarmMembersCommand(invocation)
  })

  const rotate = add('rotate', 'make a new key; the old one counts beside it for a time').option(
    '--grace <time>',
    'for how long: 0, 24h, 7d',
    '7d',
  )
  act(rotate, deps, async (invocation, args) => {
    const { swarmRotateCommand } = await import('./swarm-command.ts')
    return swarmRotateCommand(invocation, args[0] as RotateOptions)
  })

  const certify = add('certify', "take over this machine's certificate for the swarm").argument(
    '<file>',
    'what the organisation has issued (catalog ca issue)',
  )
  act(certify, deps, async (invocation, args) => {
    const { swarmCertifyCommand } = await import('./swarm-command.ts')
    return swarmCertifyCommand(invocation, args[0] as string)
  })

  act(add('leave', 'be no member any more'), deps, async (invocation) => {
    const { swarmLeaveCommand } = await import('./swarm-command.ts')
    return swarmLeaveCommand(invocation)
  })
}
