/** Runs the command with our standard streams; its exit code as a shell has it. */
import spawn from 'cross-spawn'
import { once } from 'node:events'
import { exitCodeOfSignal } from '../shell/exit-codes.ts'
import { numberOf, type SignalRelay } from './signal-relay.ts'

export interface CommandEnd {
  /** The command's own, 128 and its signal, 127 when there is no such command, 126 when it can't be run. */
  readonly code: number
  /** Why it did not even start. */
  readonly problem: string | undefined
  readonly durationMs: number
}

/** As shells have it. */
const EXIT_NOT_FOUND = 127
const EXIT_NOT_EXECUTABLE = 126

export async function runCommand(
  [program = '', ...args]: readonly string[],
  options: {
    readonly cwd: string
    readonly env: Record<string, string>
    readonly relay: SignalRelay
  },
): Promise<CommandEnd> {
  const { cwd, env, relay } = options
  const startedAt = performance.now()
  const end = (code: number, problem?: string): CommandEnd => ({
    ...{ code, problem, durationMs: performance.now() - startedAt },
  })
  try {
    // On Windows npm and its like are .cmd files: cross-spawn finds them, and quotes arguments so that cmd.exe runs none.
    const child = spawn(program, args, { cwd, env, stdio: 'inherit' })
    relay.passTo(child)
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return end(code ?? exitCodeOfSignal(signal === null ? 0 : numberOf(signal)))
  } catch (error) {
    const { code = 'unknown reason' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return end(EXIT_NOT_FOUND, `${program}: command not found`)
    return end(EXIT_NOT_EXECUTABLE, `${program}: can't be run (${code})`)
  } finally {
    relay.passTo(undefined)
  }
}
