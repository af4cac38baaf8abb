/**
 * What is left to do when the command line can't be loaded (an old Node, a damaged installation): say so, and for `catalog exec`
 * run the command as it would without. Imports only what loads on old versions too.
 */
import { EXIT } from './exit-codes.ts'
import { runCommand } from '../exec/run-command.ts'
import { relaySignals } from '../exec/signal-relay.ts'

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

/** Stands in for the command line; the exit code: that of the command of `exec`, and failure for all else. */
export async function runFallback(argv: readonly string[], why: string): Promise<number> {
  const [, , name, ...rest] = argv
  const command = commandOf(rest)
  if (name === 'exec' && command.length > 0) return runPlainly(command, why)
  note(why)
  return EXIT.failed
}

/** Those of `exec` that take none; beside them all that begin with `--no-`. */
export const FLAGS_WITHOUT_VALUE: ReadonlySet<string> = new Set([
  ...['-h', '--help', '-q', '--quiet', '--json', '--peers-only', '--mdns', '--dht', '--relay'],
  ...['--bootstrap-server', '--loopback-only', '--quic', '--tcp', '--peer-exchange', '--upnp'],
  ...['--relay-client', '--hints', '--predict', '--keep-private'],
])

/** From the first word that is no option of ours, as exec-program.ts finds it: dashes before it need not be there. */
function commandOf(words: readonly string[]): readonly string[] {
  let at = 0
  for (; at < words.length; at++) {
    const word = words[at] ?? ''
    if (word === '--') return words.slice(at + 1)
    if (!word.startsWith('-')) break
    const isAlone = FLAGS_WITHOUT_VALUE.has(word) || word.startsWith('--no-') || word.includes('=')
    // A value that is missing must not hide the dashes.
    if (!isAlone && words[at + 1] !== '--') at++
  }
  return words.slice(at)
}

/** When not even what reports failures can be loaded; the exit code. */
export function reportNotLoaded(error: unknown): number {
  note(whyNotLoaded(error))
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
