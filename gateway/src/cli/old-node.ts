/**
 * What is left to do on a Node that can't run us: say so, and for `catalog exec` run the command as it would without. Imports
 * only what loads on old versions too.
 */
import { EXIT } from './exit-codes.ts'
import { runCommand } from './exec/run-command.ts'
import { relaySignals } from './exec/signal-relay.ts'

/** As `engines` in package.json has it. */
const OLDEST_NODE: readonly [number, number] = [22, 19]

/** `version` as in `process.versions.node`. */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])
}

/** The exit code: that of the command behind `exec --`, and failure for everything else. */
export async function mainOnOldNode(argv: readonly string[]): Promise<number> {
  const [, , name, ...rest] = argv
  const note = (text: string): void => void process.stderr.write(`catalog: ${text}\n`)
  note(
    `this is Node ${process.versions.node}, and Node ${OLDEST_NODE.join('.')} or newer is needed`,
  )
  const command = rest.slice(rest.indexOf('--') + 1)
  if (name !== 'exec' || !rest.includes('--') || command.length === 0) return EXIT.failed
  note('without peers: the command runs as it would by itself')
  const relay = relaySignals(process.stdin.isTTY)
  try {
    const env = process.env as Record<string, string>
    const { code, problem } = await runCommand(command, { cwd: process.cwd(), env, relay })
    if (problem !== undefined) note(problem)
    return code
  } finally {
    relay.dispose()
  }
}
