/**
 * Signals that end `catalog exec`: the command gets them, and decides. From a terminal it gets Ctrl-C by itself, being in the
 * same group, and must not get it twice; everywhere else (CI, kill) only we do. On Windows a console tells all its
 * processes, and the only thing that can be passed on is an end without a word.
 */
import { constants } from 'node:os'
import type { ChildProcess } from 'node:child_process'
import { isatty } from 'node:tty'

const SIGNALS: readonly NodeJS.Signals[] =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGBREAK', 'SIGTERM', 'SIGHUP']
    : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']

export interface SignalRelay {
  /** The first signal so far. */
  readonly received: NodeJS.Signals | undefined
  /** Aborted by the first signal; its reason is the signal's name. */
  readonly signal: AbortSignal
  /** Whom to tell; undefined: nobody. */
  passTo(child: ChildProcess | undefined): void
  /** Stops listening. */
  dispose(): void
}

/** Whichever of the standard streams is one, it is the terminal whose Ctrl-C reaches us and the command alike. */
export function sharesTerminal(isTerminal: (stream: number) => boolean = isatty): boolean {
  return [0, 1, 2].some(isTerminal)
}

/** `isTerminal`: the command shares a terminal with us. */
export function relaySignals(isTerminal: boolean): SignalRelay {
  const controller = new AbortController()
  let received: NodeJS.Signals | undefined
  let child: ChildProcess | undefined
  const listener = (signal: NodeJS.Signals): void => {
    received ??= signal
    controller.abort(new Error(`stopped by ${signal}`))
    if (!reachesGroup(signal, isTerminal)) child?.kill(signal)
  }
  for (const signal of SIGNALS) process.on(signal, listener)
  return {
    get received() {
      return received
    },
    signal: controller.signal,
    passTo(next) {
      child = next
    },
    dispose() {
      for (const signal of SIGNALS) process.off(signal, listener)
    },
  }
}

function reachesGroup(signal: NodeJS.Signals, isTerminal: boolean): boolean {
  if (process.platform === 'win32') return signal !== 'SIGTERM'
  return isTerminal && signal !== 'SIGTERM'
}

export function numberOf(signal: NodeJS.Signals): number {
  return constants.signals[signal]
}
