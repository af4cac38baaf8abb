/** Warnings and errors to stderr: a benchmark with parts that fail silently would measure something else. */
import type { Logger } from '@catalog-p2p/core'

const write = (event: string, facts?: Readonly<Record<string, unknown>>): void => {
  console.error(event, facts)
}

export const benchLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: write,
  error: write,
}
