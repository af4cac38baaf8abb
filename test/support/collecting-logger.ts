/** A logger that keeps what it is told, for tests about what the user gets to see. */
import type { LogFacts, Logger } from '../../core/src/log.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly facts: LogFacts
}

export function createCollectingLogger(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  const at =
    (level: LogLine['level']) =>
    (event: string, facts: LogFacts = {}): void =>
      void lines.push({ level, event, facts })
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
