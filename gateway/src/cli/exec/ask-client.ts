/**
 * Asks a package manager what it is configured with: the client itself reads its files, variables and options, whatever its
 * version. Must never run anything but the question, and never take longer than its deadline. Says no value: some are secrets.
 */
import spawn from 'cross-spawn'
import { once } from 'node:events'
import type { ClientCommand } from './client-command.ts'

/** By the client's own names. */
export type ClientSettings = ReadonlyMap<string, unknown>

type Asked = 'npm' | 'pnpm' | 'yarn-berry'

interface Question {
  readonly words: (command: Pick<ClientCommand, 'handedOn'>) => readonly string[]
  readonly read: (text: string) => ClientSettings
}

const QUESTIONS: Readonly<Record<Asked, Question>> = {
  npm: {
    words: ({ handedOn }) => ['config', 'ls', ...handedOn, '--long', '--json', '--loglevel=error'],
    read: (text) => objectIn(text),
  },
  pnpm: {
    words: ({ handedOn }) => [...handedOn, 'config', 'list', '--json'],
    read: (text) => objectIn(text),
  },
  'yarn-berry': {
    words: ({ handedOn }) => [...handedOn, 'config', '--json'],
    // A line of JSON per setting.
    read: (text) =>
      new Map(
        text
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line) as { key?: unknown; effective?: unknown })
          .map(({ key, effective }) => [String(key), effective]),
      ),
  },
}

/** Measured: 0.03 to 0.6 s (docs/decisions/0011-exec-asks-clients.md). */
const TIMEOUT_MS = 20_000
const MAX_LENGTH = 8 * 1024 * 1024

export interface AskOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

export function canBeAsked(family: ClientCommand['family']): family is Asked {
  return Object.hasOwn(QUESTIONS, family)
}

/** @throws Error when it does not answer in time, or not what was asked; when `signal` ends it */
export async function askClient(
  command: Pick<ClientCommand, 'program' | 'handedOn'> & { readonly family: Asked },
  { cwd, env, signal }: AskOptions,
): Promise<ClientSettings> {
  const { words, read } = QUESTIONS[command.family]
  const [program = '', ...args] = [...command.program, ...words(command)]
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const child = spawn(program, args, {
    ...{ cwd, signal: bounded, windowsHide: true, stdio: ['ignore', 'pipe', 'ignore'] },
    env: { ...env },
  })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    if (text.length > MAX_LENGTH) child.kill('SIGKILL')
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`it ended with ${code ?? 'a signal'}`)
  return read(text)
}

/** A warning in front of it is none of it. */
function objectIn(text: string): ClientSettings {
  const value: unknown = JSON.parse(text.slice(text.indexOf('{')))
  return new Map(Object.entries(value as Record<string, unknown>))
}
