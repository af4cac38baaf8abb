/** Log lines of the daemon in plain words, on standard error. The progress line, if there is one, is cleared before a line is written. */
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import type { LogLevel } from '../../config/resolve.ts'
import type { Style, Terminal } from '../shell/terminal.ts'

type Facts = Readonly<Record<string, unknown>>
type LoudLevel = Exclude<LogLevel, 'silent'>

const RANK: Readonly<Record<LogLevel, number>> = { silent: 4, error: 3, warn: 2, info: 1, debug: 0 }
const STYLES: Readonly<Record<LoudLevel, Style>> = {
  error: 'red',
  warn: 'yellow',
  info: 'cyan',
  debug: 'dim',
}

export interface DaemonLogOptions {
  readonly level: LogLevel
  /** Called before each line. */
  readonly beforeLine: () => void
}

export function createDaemonLog(terminal: Terminal, options: DaemonLogOptions): Logger {
  const write = (level: LoudLevel) => (event: string, facts?: Facts) => {
    if (RANK[level] < RANK[options.level]) return
    options.beforeLine()
    const time = new Date().toISOString()
    const word = terminal.paintNote(STYLES[level], level.padEnd(5))
    terminal.note(`${terminal.paintNote('dim', time)} ${word} ${event}${shownFacts(facts)}`)
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** ` port=4874 url=http://…`: text with spaces in quotes, errors by their message and code. */
export function shownFacts(facts: Facts | undefined): string {
  return Object.entries(facts ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${shown(value)}`)
    .join('')
}

function shown(value: unknown): string {
  if (value instanceof Error) {
    const hint = isCatalogError(value) && value.hint !== undefined ? ` (${value.hint})` : ''
    return quoted(`${value.message}${hint}`)
  }
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'undefined'
  // Log lines hold foreign text: its control characters must not reach a terminal.
  return /^[^\s"=\p{C}]+$/u.test(value) ? value : quoted(value)
}

// JSON does not escape U+0080 to U+009F, which some terminals interpret.
function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /\p{C}/gu,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
