/**
 * Stops the node with Verdaccio, which has no shutdown hook for plugins: on a signal that ends the process, or when the last of
 * its HTTP servers closes (Verdaccio run inside a program). Never changes how Verdaccio ends: where it handles no signal, the same
 * signal ends the process, after the node has stopped.
 */
import type { Server } from 'node:http'
import type { Logger } from '@catalog-p2p/core'
import { isObject } from './verdaccio.ts'

export interface ProcessLike {
  readonly pid: number
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
  listenerCount(signal: NodeJS.Signals): number
  readonly platform: NodeJS.Platform
  kill(pid: number, signal: NodeJS.Signals): unknown
}

export interface Shutdown {
  /** A server of Verdaccio's; it has one per address it listens on. */
  watch(server: Server | undefined): void
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']
/** The process ends after this, whether or not the node has stopped. */
const STOP_DEADLINE_MS = 5_000

export function onShutdown(
  stop: () => Promise<void>,
  { process: host, log }: { process: ProcessLike; log: Logger },
): Shutdown {
  let stopping: Promise<void> | undefined
  const open = new Set<Server>()
  const listeners = new Map(SIGNALS.map((signal) => [signal, () => onSignal(signal)] as const))

  function finish(): Promise<void> {
    stopping ??= Promise.race([
      stop(),
      new Promise<void>((resolve) => setTimeout(resolve, STOP_DEADLINE_MS).unref()),
    ]).catch((error: unknown) => log.warn('shutdown.failed', { error }))
    return stopping
  }

  function onSignal(signal: NodeJS.Signals): void {
    // With listeners besides these, ending the process is their decision.
    const isOurs = host.listenerCount(signal) <= 1 + waitingListeners(host)
    void finish().then(() => {
      for (const [each, listener] of listeners) host.off(each, listener)
      // Windows knows SIGHUP as news of a closed console, and nobody can send it.
      const ends = signal === 'SIGHUP' && host.platform === 'win32' ? 'SIGTERM' : signal
      if (isOurs) host.kill(host.pid, ends)
    })
  }

  for (const [signal, listener] of listeners) host.on(signal, listener)
  return {
    watch(server) {
      if (server === undefined || open.has(server) || !server.listening) return
      open.add(server)
      server.once('close', () => {
        open.delete(server)
        if (open.size > 0) return
        void finish().then(() => {
          for (const [signal, listener] of listeners) host.off(signal, listener)
        })
      })
    },
  }
}

/**
 * Listeners of the signal-exit package (a dependency of Verdaccio's file locks): each lets the signal end the process once no other
 * listener is left. The package counts them in a global, for its other copies.
 */
function waitingListeners(host: object): number {
  const emitters = [
    (host as Record<string, unknown>)['__signal_exit_emitter__'],
    (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')],
  ]
  const counts = emitters.map((each) => (isObject(each) ? each['count'] : undefined))
  return counts.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0)
}
