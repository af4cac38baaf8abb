/**
 * `catalog exec` asks the client for its registry (docs/decisions/0011-exec-asks-clients.md): this asks it before the rest of us is
 * loaded, which takes as long as the answer. A guess from the words of the command line alone: if it was wrong, the right question is
 * asked later. Imports next to nothing, and never throws.
 */
import { ANY_NPM, askAhead, canBeAsked } from '../../clients/ask-client.ts'
import { accountCommand, readClientCommand } from '../../clients/client-command.ts'
import { commandOf } from '../shell/fallback.ts'

/** @param argv as the process has it */
export function askFor(argv: readonly string[]): void {
  try {
    const command = commandOf(argv.slice(3))
    if (command.length === 0) return
    const cwd = process.cwd()
    const client = readClientCommand(command, cwd)
    const isSkipped = client !== undefined && accountCommand(client, command) !== undefined
    if (isSkipped || client?.unknown !== undefined) return
    const { family, program, handedOn } = client ?? ANY_NPM
    if (!canBeAsked(family) || (family !== 'npm' && client?.isInstall !== true)) return
    askAhead({ family, program, handedOn }, { cwd, env: process.env })
  } catch {
    // it is asked again, and what is wrong said there
  }
}
