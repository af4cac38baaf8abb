/** `catalog` in this process: its real command line and commands, with a terminal that only remembers what was printed. */
import { exitCodeOf } from '../../gateway/src/cli/shell/exit-codes.ts'
import { createProgram } from '../../gateway/src/cli/shell/program.ts'
import { isCatalogError } from '@catalog-p2p/core'

export interface CatalogRun {
  readonly exitCode: number
  /** Standard output, line by line. */
  readonly lines: readonly string[]
  /** What went wrong, with its hint. */
  readonly error: string
  readonly json: () => unknown
}

/** @param home stands for the user's home folder, and is the current one */
export async function runCatalog(home: string, ...args: readonly string[]): Promise<CatalogRun> {
  const lines: string[] = []
  let exitCode = 0
  let error = ''
  const note = (text: string): void => void (error += `${text}\n`)
  const program = createProgram({
    terminal: {
      ...{ env: { HOME: home }, cwd: home, home, platform: process.platform },
      ...{ isInteractive: false, canRewrite: false, columns: 80 },
      print: (text) => void lines.push(...text.split('\n')),
      ...{ note, raw: note, paint: (_, text) => text, paintNote: (_, text) => text },
    },
    version: '0.0.0-test',
    signal: new AbortController().signal,
    takeSignals: () => undefined,
    outliveReaders: () => undefined,
    exit: (code) => {
      throw new Error(`exit ${code}`)
    },
    async run(command) {
      try {
        exitCode = await command()
      } catch (failure) {
        if (!isCatalogError(failure)) throw failure
        exitCode = exitCodeOf(failure.code)
        note(`${failure.message} (${failure.hint ?? ''})`)
      }
    },
  })
  await program.parseAsync(args, { from: 'user' })
  const json = (): unknown => JSON.parse(lines.join('\n'))
  return { exitCode, lines, error, json }
}
