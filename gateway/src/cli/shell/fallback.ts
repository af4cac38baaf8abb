/**
 * The fallback when the command line cannot be loaded (an old Node, a damaged installation): says so and, for `catalog exec`,
 * runs the command without us. Must load on old versions of Node, so it imports next to nothing.
 */
import { EXIT } from './exit-codes.ts'
import { runCommand } from '../exec/run-command.ts'
import { relaySignals } from '../exec/signal-relay.ts'

/** As `engines` in package.json has it. */
const OLDEST_NODE: readonly [number, number] = [22, 19]

/** Why this version of Node (`process.versions.node`) is too old; undefined if it is not. */
export function whyNodeIsTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isNewEnough =
    major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  if (isNewEnough) return undefined
  return `this is Node ${version}, and Node ${OLDEST_NODE.join('.')} or newer is needed`
}

/** The failed import in words, and what to do. */
export function whyNotLoaded(error: unknown): string {
  const [line] = String(error).split('\n')
  return `a part of catalog can't be loaded (${line}); installing it again should help`
}

/** Takes the place of the command line. @returns the exit code of exec's command; failure for everything else */
export async function runFallback(argv: readonly string[], why: string): Promise<number> {
  const [, , name, ...rest] = argv
  const command = commandOf(rest)
  if (name === 'exec' && command.length > 0) return runPlainly(command, why)
  note(why)
  return EXIT.failed
}

/** Options of `exec` without a value; all that begin with `--no-` have none either. */
export const FLAGS_WITHOUT_VALUE: ReadonlySet<string> = new Set([
  ...['-h', '--help', '-q', '--quiet', '--json', '--peers-only', '--mdns', '--dht', '--relay'],
  ...[
    '--bootstrap-server',
    '--loopback-only',
    '--quic',
    '--tcp',
    '--carrier',
    '--peer-exchange',
    '--upnp',
  ],
  ...[
    '--relay-client',
    '--hints',
    '--metadata-ahead',
    '--fetch-records',
    '--fleet',
    '--fleet-metadata',
    '--keep-private',
    '--countersign',
    '--trust-on-first-use',
  ],
  '--frozen-trust',
])

/** The command, from the first word that is not an option of ours, as exec-program.ts finds it; `--` may be missing. */
export function commandOf(words: readonly string[]): readonly string[] {
  let at = 0
  for (; at < words.length; at++) {
    const word = words[at] ?? ''
    if (word === '--') return words.slice(at + 1)
    if (!word.startsWith('-')) break
    const isAlone = FLAGS_WITHOUT_VALUE.has(word) || word.startsWith('--no-') || word.includes('=')
    // `--` is never an option's value.
    if (!isAlone && words[at + 1] !== '--') at++
  }
  return words.slice(at)
}

/** When the module that reports failures cannot be loaded either. @returns the exit code */
export function reportNotLoaded(error: unknown): number {
  note(whyNotLoaded(error))
  return EXIT.failed
}

/** Runs exec's command with nothing of ours around it. @returns its exit code */
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
