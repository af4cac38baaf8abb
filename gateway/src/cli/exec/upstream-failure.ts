/** Why the registry behind a gateway of ours gave nothing, as its log says it: most clients print a status, and no reason. */
import type { Logger } from '@catalog-p2p/core'

export interface FailureLog {
  readonly log: Logger
  /** The first; what comes after it is mostly of the same cause, and says less. Undefined: it answered. */
  reason(): string | undefined
}

export function rememberFailure(log: Logger): FailureLog {
  let first: string | undefined
  const look = (event: string, facts: Parameters<Logger['info']>[1]): void => {
    const isOne = event === 'request.failed' && facts?.code === 'UPSTREAM_UNREACHABLE'
    if (isOne && typeof facts.reason === 'string') first ??= facts.reason
  }
  return {
    log: {
      debug: (event, facts) => log.debug(event, facts),
      info(event, facts) {
        look(event, facts)
        log.info(event, facts)
      },
      warn: (event, facts) => log.warn(event, facts),
      error: (event, facts) => log.error(event, facts),
    },
    reason: () => first,
  }
}
