/**
 * What is left to do when the command line can't be loaded (an old Node, a damaged installation): say so, and for `catalog exec`
 * run the command as it would without. Imports only what loads on old versions too.
 */
import { EXIT } from './exit-codes.ts'
import { runCommand } from './exec/run-command.ts'
import { relaySignals } from './exec/signal-relay.ts'

/** As `engines` in package.json has it. */
const OLDEST_NODE: readonly [number, number] = [22, 19]

/** Why a Node of this version (`process.versions.node`) can't run us, or undefined if it can. */
export function whyNodeIsTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNewEnough =
    major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  if (isNewEnough) return undefined
  return `this is Node ${version}, and Node ${OLDEST_NODE.join('.')} or newer is needed`
}

/** Why modules of ours did not load, and what to do. */
export function whyNotLoaded(error: unknown): string {
  const [line] = String(error).split('\n')
  return `a part of catalog can't be loaded (${line}); installing it again should help`
}

/** Stands in for the command line; the exit code: that of the command behind `exec --`, and failure for all else. */
export async function standIn(argv: readonly string[], why: string): Promise<number> {
  const [, , name, ...rest] = argv
  const command = rest.slice(rest.indexOf('--') + 1)
  if (name === 'exec' && rest.includes('--') && command.length > 0) return runPlainly(command, why)
  note(why)
  return EXIT.failed
}

/** Runs what was given to `catalog exec` with nothing of ours around it; its exit code. */
export async function runPlainly(command: readonly string[], why: string): Promise<number> {
  note(why)
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

function note(text: string): void {
  process.stderr.write(`catalog: ${text}\n`)
}
