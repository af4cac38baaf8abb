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
import { readDaemonSettings } from './settings.ts'

export function createCommands(session: Session): CommandClass<CommandContext>[] {
  abstract class DaemonCommand extends BaseCommand {
    json = Option.Boolean('--json', false, { description: 'Write JSON' })

    protected async ask(path: string, text: (answer: unknown) => string): Promise<number> {
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
      stdout.write(`${this.json ? body : text(JSON.parse(body))}\n`)
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
      return this.ask('status', (answer) => statusText(answer as DaemonStatus))
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

const switchedOff = 'Catalog P2P is switched off here (catalogEnabled: false)'

function nobodyThere(url: string): string {
  return `No Catalog P2P daemon answers at ${url}. Start one with \`catalog start\`, or set catalogDaemonUrl if it is elsewhere on this machine. Yarn installs without it.`
}
