/** The first signal asks for an orderly end, the second one ends at once. */
import { constants } from 'node:os'

const SIGNALS: readonly NodeJS.Signals[] =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGBREAK', 'SIGTERM', 'SIGHUP']
    : ['SIGINT', 'SIGTERM', 'SIGHUP']

export interface StopSignals {
  /** The first signal. */
  readonly first: Promise<NodeJS.Signals>
  /** Stops listening. */
  dispose(): void
}

export function listenForStop(
  onSecond: (signal: NodeJS.Signals, number: number) => void,
): StopSignals {
  const first = Promise.withResolvers<NodeJS.Signals>()
  let seen = 0
  const listener = (signal: NodeJS.Signals): void => {
    seen += 1
    if (seen === 1) first.resolve(signal)
    else onSecond(signal, constants.signals[signal])
  }
  for (const signal of SIGNALS) process.on(signal, listener)
  return {
    first: first.promise,
    dispose() {
      for (const signal of SIGNALS) process.off(signal, listener)
    },
  }
}
