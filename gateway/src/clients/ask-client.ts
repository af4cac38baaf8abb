/**
 * Asks a package manager what it is configured with: the client itself reads its files, variables and options, in every
 * version of it. Must never run anything but the question, and never take longer than its deadline. Logs no answer: some
 * settings are secrets.
 */
import spawn from 'cross-spawn'
import { once } from 'node:events'
import type { ClientCommand } from './client-command.ts'
import type { ClientQuestion, ClientSettings } from './client-question.ts'
import { npmQuestion } from './npm/npm-question.ts'
import { pnpmQuestion } from './pnpm/pnpm-question.ts'
import { yarnQuestion } from './yarn/yarn-question.ts'

const QUESTIONS = { npm: npmQuestion, pnpm: pnpmQuestion, 'yarn-berry': yarnQuestion } as const

type Asked = keyof typeof QUESTIONS

/** Asked where a command is no client: npm may run in it. */
export const ANY_NPM = { family: 'npm', program: ['npm'], handedOn: [] } as const

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

export function questionFor(family: Asked): ClientQuestion {
  return QUESTIONS[family]
}

type AskedCommand = Pick<ClientCommand, 'program' | 'handedOn'> & { readonly family: Asked }

interface AskedAhead {
  readonly words: string
  readonly answer: Promise<ClientSettings>
  readonly end: () => void
}
let ahead: AskedAhead | undefined

/** The question that askClient is going to ask, so that it is answered by then. Ends with this process, heard or not. */
export function askAhead(command: AskedCommand, { cwd, env }: Omit<AskOptions, 'signal'>): void {
  const ending = new AbortController()
  const answer = ask(command, { cwd, env, signal: ending.signal })
  answer.catch(() => undefined) // said where it is wanted
  ahead = { words: wordsOf(command, cwd), answer, end: () => ending.abort() }
  process.once('exit', ahead.end)
}

/** @throws Error when it does not answer in time, or not what was asked; when `signal` ends it */
export async function askClient(
  command: AskedCommand,
  options: AskOptions,
): Promise<ClientSettings> {
  const asked = ahead
  ahead = undefined
  if (asked?.words !== wordsOf(command, options.cwd)) return ask(command, options)
  const { signal } = options
  signal.addEventListener('abort', asked.end, { once: true })
  if (signal.aborted) asked.end()
  try {
    return await asked.answer
  } finally {
    signal.removeEventListener('abort', asked.end)
    process.off('exit', asked.end)
  }
}

function wordsOf({ family, program, handedOn }: AskedCommand, cwd: string): string {
  return JSON.stringify([family, program, handedOn, cwd])
}

async function ask(
  command: AskedCommand,
  { cwd, env, signal }: AskOptions,
): Promise<ClientSettings> {
  const question = questionFor(command.family)
  const [program = '', ...args] = [...command.program, ...question.words(command.handedOn)]
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const child = spawn(program, args, {
    cwd,
    env: { ...env },
    signal: bounded,
    stdio: ['ignore', 'pipe', 'ignore'],
    windowsHide: true,
  })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    if (text.length > MAX_LENGTH) child.kill('SIGKILL')
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`it ended with ${code ?? 'a signal'}`)
  return question.read(text)
}
