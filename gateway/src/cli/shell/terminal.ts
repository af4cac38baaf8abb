/**
 * Where the command line reads and writes: streams, environment, folders; the only place that looks at `process` for them.
 * Everything else takes a Terminal, so that tests can bring their own.
 */
import { homedir } from 'node:os'
import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly home: string
  readonly platform: NodeJS.Platform
  /** Standard output is a terminal: colours and tables for people. */
  readonly isInteractive: boolean
  /** Standard error is a terminal that can rewrite its line: progress. */
  readonly canRewrite: boolean
  readonly columns: number
  /** A line on standard output. */
  print(text: string): void
  /** A line on standard error. */
  note(text: string): void
  /** Text on standard error, as it is. */
  raw(text: string): void
  /** Coloured if standard output takes colours. */
  paint(style: Style, text: string): string
  /** Coloured if standard error takes colours. */
  paintNote(style: Style, text: string): string
}

export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process
  return {
    env,
    cwd: process.cwd(),
    home: homedir(),
    platform: process.platform,
    isInteractive: stdout.isTTY,
    canRewrite: stderr.isTTY && env.TERM !== 'dumb',
    columns: stderr.columns || 80,
    print: (text) => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    raw: (text) => void stderr.write(text),
    paint: (style, text) => paint(stdout, style, text),
    paintNote: (style, text) => paint(stderr, style, text),
  }
}

/** Keys as they are pressed, Ctrl-C too, which is no signal meanwhile. @returns what ends that */
export function listenToKeys(listener: (key: string) => void): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => undefined
  stdin.setRawMode(true).setEncoding('utf8').on('data', listener).resume()
  return () => void stdin.off('data', listener).setRawMode(false).pause()
}

/** Lines of the screen behind standard output. */
export function screenRows(): number {
  return process.stdout.rows || 24
}

/** The same, but nothing said on standard error can fail: its disk is full, its terminal gone. */
export function withUnfailingNotes(terminal: Terminal): Terminal {
  const attempt = (write: (text: string) => void) => (text: string) => {
    try {
      write(text)
    } catch {
      // There is nowhere left to report that.
    }
  }
  return {
    ...terminal,
    note: attempt((text) => terminal.note(text)),
    raw: attempt((text) => terminal.raw(text)),
  }
}

// styleText looks at the stream, NO_COLOR and FORCE_COLOR by itself.
function paint(stream: NodeJS.WriteStream, style: Style, text: string): string {
  return styleText(style, text, { stream, validateStream: true })
}
