/** Warnings and errors to stderr: a benchmark whose parts degrade silently measures something else. */
import type { Logger } from '@catalog-p2p/core'

const say = (event: string, facts?: Readonly<Record<string, unknown>>): void => {
  console.error(event, facts)
}

export const benchLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: say,
  error: say,
}
