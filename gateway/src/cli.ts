#!/usr/bin/env node
/**
 * The `catalog` command: builds the command line, runs it, ends the process with its code. Beside cli/ the only place that knows
 * of the process.
 */
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { CommanderError } from 'commander'
import { EXIT, exitCodeOfSignal } from './cli/exit-codes.ts'
import { createProgram } from './cli/program.ts'
import { processTerminal } from './cli/terminal.ts'

const OLDEST_NODE: readonly [number, number] = [22, 19]
const LINGER_MS = 2_000

process.exitCode = await main(process.argv)
// All is done and closed; timers that libraries still hold must not keep the command from ending, nor readers of its output.
setTimeout(() => process.exit(), LINGER_MS).unref()
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit()

async function main(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal()
  surviveClosedPipes()
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    terminal.note(
      `catalog needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.version}`,
    )
    return EXIT.failed
  }
  const interrupt = interruptible()
  let exitCode: number = EXIT.ok
  const program = createProgram({
    terminal,
    version: readVersion(),
    argv,
    signal: interrupt.signal,
    takeSignals: () => interrupt.release(),
    exit: (code) => process.exit(code),
    run: async (command, json) => {
      try {
        exitCode = await command()
      } catch (error) {
        if (interrupt.code !== undefined) exitCode = interrupt.code
        else {
          const { reportFailure } = await import('./cli/failure.ts')
          exitCode = reportFailure(terminal, error, json || isTrue(terminal.env.CATALOG_JSON))
        }
      }
    },
  })
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

/** Ctrl-C ends what is under way; a second one ends the process. */
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

// `catalog status | head -1`: the reader has gone, so there is nothing left to do.
function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.ok)
      throw error
    })
  }
}

/** Where pipes are written to in the background (Windows), what is still on its way. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:1|true|yes|on)$/i.test(text)
}
