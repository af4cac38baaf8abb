/** Pino behind core's Logger: the event is the message, the facts are the fields. Error values keep code and cause. */
import { pino } from 'pino'
import type { Logger } from '@catalog-p2p/core'

export interface PinoLoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** File descriptor or path; default: stderr, so that standard output stays free for results. */
  readonly destination?: number | string
}

export function createPinoLogger(options: PinoLoggerOptions): Logger {
  const sink = pino(
    {
      level: options.level,
      base: null,
      serializers: { error: pino.stdSerializers.err, cause: pino.stdSerializers.err },
    },
    pino.destination({ dest: options.destination ?? 2, sync: true }),
  )
  return {
    debug: (event, facts) => sink.debug(facts ?? {}, event),
    info: (event, facts) => sink.info(facts ?? {}, event),
    warn: (event, facts) => sink.warn(facts ?? {}, event),
    error: (event, facts) => sink.error(facts ?? {}, event),
  }
}
