/**
 * Signals to `catalog exec` are passed on to the command, which decides. On a terminal the command is in the same process group
 * and gets Ctrl-C by itself, so it is not sent twice; elsewhere (CI, kill) only we get it. On Windows the console tells all its
 * processes, and a signal that is passed on would be a hard kill.
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
  /** The process to pass signals on to. */
  passTo(child: ChildProcess | undefined): void
  /** Stops listening. */
  dispose(): void
}

/** True if any standard stream is a terminal: its Ctrl-C reaches us and the command alike. */
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
