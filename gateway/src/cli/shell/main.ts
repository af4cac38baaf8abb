/** The command line, from its words to an exit code. Only this file, terminal.ts and cli.ts touch the process. */
import { constants } from 'node:os'
import { CommanderError } from 'commander'
import { packageVersion } from '../../package-folder.ts'
import { EXIT, exitCodeOfSignal } from './exit-codes.ts'
import type { ProgramDependencies } from './act.ts'
import { createProgram } from './program.ts'
import { reportNotLoaded } from './fallback.ts'
import { processTerminal } from './terminal.ts'

/** @returns the process's exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal()
  const readers = surviveClosedPipes()
  const interrupt = interruptible()
  let exitCode: number = EXIT.ok
  const dependencies: ProgramDependencies = {
    terminal,
    version: packageVersion(),
    signal: interrupt.signal,
    takeSignals: () => interrupt.release(),
    outliveReaders: () => readers.outlive(),
    exit: (code) => process.exit(code),
    run: async (command, json) => {
      try {
        exitCode = await command()
      } catch (error) {
        if (interrupt.code !== undefined) exitCode = interrupt.code
        else {
          const loaded = await import('./failure.ts').catch(() => undefined)
          const asJson = json || isTrue(terminal.env.CATALOG_JSON)
          exitCode = loaded?.reportFailure(terminal, error, asJson) ?? reportNotLoaded(error)
        }
      }
    },
  }
  const program = createProgram(dependencies, argv[2])
  if (argv.length <= 2) {
    program.outputHelp()
    return EXIT.usage
  }
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  interrupt.release()
  return exitCode
}

/** Ctrl-C aborts the running command; a second one ends the process. */
function interruptible() {
  const controller = new AbortController()
  let code: number | undefined
  const listener = (signal: NodeJS.Signals): void => {
    const wanted = exitCodeOfSignal(constants.signals[signal])
    if (code !== undefined) process.exit(wanted)
    code = wanted
    controller.abort(new Error(`stopped by ${signal}`))
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, listener)
  return {
    signal: controller.signal,
    get code() {
      return code
    },
    release() {
      for (const signal of signals) process.off(signal, listener)
    },
  }
}

// `catalog status | head -1`: once the reader is gone we end, unless a command of the user's is running.
function surviveClosedPipes(): { outlive(): void } {
  let goesOn = false
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (goesOn) return
      if (error.code === 'EPIPE') process.exit(EXIT.ok)
      throw error
    })
  }
  return {
    outlive() {
      goesOn = true
    },
  }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:1|true|yes|on)$/i.test(text)
}
