/**
 * The logger that every part takes. A stable dotted event and flat facts, no prose: `log.info(
 * 'download.done', { digest, bytes, ms })`. Pino fits this shape with an adapter (the gateway has
 * one); core is silent unless it is handed a logger.
 */
export type LogFacts = Readonly<Record<string, unknown>>

/** debug: per chunk; info: per object and lifecycle; warn: we degraded; error: someone must act. */
export interface Logger {
  debug(event: string, facts?: LogFacts): void
  info(event: string, facts?: LogFacts): void
  warn(event: string, facts?: LogFacts): void
  error(event: string, facts?: LogFacts): void
}

const nothing = (): void => undefined

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
