/** Why the registry behind exec's own gateway failed, taken from its log: most clients print a status without a reason. */
import type { Logger } from '@catalog-p2p/core'

export interface FailureLog {
  readonly log: Logger
  /** The first failure: later ones mostly have the same cause and say less. undefined: the registry answered. */
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
