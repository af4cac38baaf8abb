/** What a failed command prints, for people and as JSON, and the code it exits with. */
import { isCatalogError, type CatalogError } from '@catalog-p2p/core'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** @returns the exit code */
export function reportFailure(terminal: Terminal, error: unknown, json: boolean): number {
  const known = isCatalogError(error) ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  if (json) {
    const { code = 'UNEXPECTED', hint } = known ?? {}
    terminal.print(
      JSON.stringify({ error: { code, message, ...(hint !== undefined && { hint }) } }),
    )
    return known === undefined ? EXIT.failed : exitCodeOf(known.code)
  }
  if (known === undefined) {
    // A report needs the trace.
    terminal.note(`${terminal.paintNote('red', 'catalog: unexpected error')}\n${traceOf(error)}`)
    return EXIT.failed
  }
  for (const line of lines(known)) {
    terminal.note(`${terminal.paintNote('red', 'catalog:')} ${line}`)
  }
  if (known.hint !== undefined) terminal.note(`  ${terminal.paintNote('cyan', known.hint)}`)
  return exitCodeOf(known.code)
}

/** Of a bug of ours. */
export function traceOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function lines(error: CatalogError): string[] {
  return error.message.split('\n')
}
