/**
 * `yarn catalog status` and `yarn catalog peers`: what the daemon of this machine says of itself, in words or as JSON.
 * Exit code 1, and what to do, when none answers.
 */
import { BaseCommand } from '@yarnpkg/cli'
import { Configuration } from '@yarnpkg/core'
import { Command, Option, UsageError, type CommandClass } from 'clipanion'
import type { CommandContext } from '@yarnpkg/core'
import { peersText, statusText, type DaemonPeers, type DaemonStatus } from './report-text.ts'
import type { Session } from './session.ts'
import { readDaemonSettings, yarnRegistries } from './settings.ts'

export function createCommands(session: Session): CommandClass<CommandContext>[] {
  abstract class DaemonCommand extends BaseCommand {
    json = Option.Boolean('--json', false, { description: 'Write JSON' })

    protected async ask(
      path: string,
      text: (answer: unknown, usage: string) => string,
    ): Promise<number> {
      const { stdout, stderr } = this.context
      const configuration = await Configuration.find(this.context.cwd, this.context.plugins)
      const { problem } = readDaemonSettings(configuration)
      if (problem !== undefined) throw new UsageError(problem)
      const url = configuration.get('catalogDaemonUrl')
      const gateway = await session.daemon(configuration)?.gateway()
      const answer = await gateway?.get(`-/catalog/${path}`).catch(() => undefined)
      if (answer?.status !== 200) {
        const enabled = configuration.get('catalogEnabled')
        stderr.write(`${enabled ? nobodyThere(url) : switchedOff}\n`)
        return 1
      }
      const body = answer.body.toString()
      const usage = await usageOf(session, configuration)
      stdout.write(`${this.json ? body : text(JSON.parse(body), usage)}\n`)
      return 0
    }
  }

  class StatusCommand extends DaemonCommand {
    static override paths = [['catalog', 'status']]
    static override usage = Command.Usage({
      category: 'Catalog P2P',
      description: 'what the daemon of this machine has and does',
    })

    execute(): Promise<number> {
      return this.ask('status', (answer, usage) => statusText(answer as DaemonStatus, usage))
    }
  }

  class PeersCommand extends DaemonCommand {
    static override paths = [['catalog', 'peers']]
    static override usage = Command.Usage({
      category: 'Catalog P2P',
      description: 'the peers that the daemon of this machine is connected to',
    })

    execute(): Promise<number> {
      return this.ask('peers', (answer) => peersText(answer as DaemonPeers))
    }
  }

  return [StatusCommand, PeersCommand]
}

/** Whether packages of no special scope come through the daemon here, and if not why. */
async function usageOf(session: Session, configuration: Configuration): Promise<string> {
  const registry = yarnRegistries(configuration).of('')
  const found = await session.gatewayFor(configuration, { name: '', registry })
  return found === undefined
    ? `no: Yarn gets packages from ${registry} (npmRegistryServer), which is another registry`
    : `yes, for packages of ${registry}`
}

const switchedOff = 'Catalog P2P is switched off here (catalogEnabled: false)'

function nobodyThere(url: string): string {
  return `No Catalog P2P daemon answers at ${url}. Start one with \`catalog start\`, or set catalogDaemonUrl if it is elsewhere on this machine. Yarn installs without it.`
}
