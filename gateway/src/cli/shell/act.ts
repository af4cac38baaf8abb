/** What the commands' programs (`*-program.ts`) share: what they are given, and how a command's action is run. */
import type { Command } from 'commander'
import type { Invocation } from './invocation.ts'
import { givenSettings } from './program-options.ts'
import type { Terminal } from './terminal.ts'

export interface ProgramDependencies {
  readonly terminal: Terminal
  readonly version: string
  /** Ctrl-C. */
  readonly signal: AbortSignal
  /** Hands SIGINT and its like over to the command that runs until then. */
  readonly takeSignals: () => void
  /** From now on a closed pipe behind our output is no reason to end. */
  readonly outliveReaders: () => void
  readonly exit: (code: number) => never
  /** Runs a command: its exit code or failure, reported as JSON if it was asked for. */
  readonly run: (command: () => Promise<number>, json: boolean) => Promise<void>
}

/** A command's action: its exit code. `args`: as commander passes them, the arguments and then the options. */
export type Run = (invocation: Invocation, args: readonly unknown[]) => Promise<number>

export function act(command: Command, deps: ProgramDependencies, run: Run): void {
  command.action(async (...args: unknown[]) => {
    const flags = givenSettings(command)
    const { config } = command.opts<{ config?: string }>()
    const invocation = {
      terminal: deps.terminal,
      signal: deps.signal,
      flags,
      configFile: config,
    }
    // The last one is the command itself.
    await deps.run(() => run(invocation, args.slice(0, -1)), flags.json === true)
  })
}
