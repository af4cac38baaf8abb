/** Programs on other machines that do one thing after another as they are told: a line of JSON in, a line of JSON out. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Place } from './machines/namespace-tools.ts'

export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
type Commands = Readonly<Record<string, (argument: string) => Json | Promise<Json>>>

const ANSWER_TIMEOUT_MS = 60_000

/** In the program: serves until its standard input ends. Errors are answers, too. */
export async function serveLines(commands: Commands): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name = '', argument = ''] = JSON.parse(line) as string[]
    const answer = await Promise.resolve(commands[name]?.(argument)).catch((error: unknown) => ({
      error: String(error),
    }))
    process.stdout.write(`${JSON.stringify(answer ?? null)}\n`)
  }
}

export interface Program extends AsyncDisposable {
  /** One at a time. */
  tell<Answer>(name: string, argument?: string): Promise<Answer>
}

/** In the test. */
export function startProgram(place: Place, script: string, ...args: string[]): Program {
  const flags = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
  const argv = [...flags, script, ...args]
  const child = place.spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('both were asked for')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'exit')
  return {
    async tell(name, argument = '') {
      stdin.write(`${JSON.stringify([name, argument])}\n`)
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
      const late = once(signal, 'abort').then(() => {
        throw new Error(`no answer to ${name}`)
      })
      const { value, done } = await Promise.race([lines.next(), late])
      if (done === true) throw new Error(`ended before it answered to ${name}`)
      return JSON.parse(value)
    },
    async [Symbol.asyncDispose]() {
      stdin.end()
      await ended
    },
  }
}
