/**
 * Ends the node with Verdaccio, which has no hook for plugins: by the signals that end the process, and by the closing of the
 * last HTTP server that it has been asked through, where somebody runs it inside of a program. Verdaccio's own handling of signals stays what it is: where it has
 * none, the process ends by the signal, as it would without us, only after the node has said goodbye.
 */
import type { Server } from 'node:http'
import type { Logger } from '@catalog-p2p/core'
import { isObject } from './verdaccio.ts'

export interface ProcessLike {
  readonly pid: number
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
  listenerCount(signal: NodeJS.Signals): number
  kill(pid: number, signal: NodeJS.Signals): unknown
}

export interface Shutdown {
  /** A server that serves Verdaccio; there is one for each address it listens on. */
  watch(server: Server | undefined): void
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']
/** The process ends after this, goodbye or not. */
const PATIENCE_MS = 5_000

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
      new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref()),
    ]).catch((error: unknown) => log.warn('shutdown.failed', { error }))
    return stopping
  }

  function onSignal(signal: NodeJS.Signals): void {
    // Somebody else decides when the process ends; or nobody does, and then the signal itself.
    const isOurs = host.listenerCount(signal) <= 1 + waitingListeners(host)
    void finish().then(() => {
      for (const [each, listener] of listeners) host.off(each, listener)
      if (isOurs) host.kill(host.pid, signal)
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
 * Listeners of the signal-exit package (Verdaccio has it by way of its file locks): each waits until nobody else listens, and
 * then lets the signal end the process. It leaves their number where its other copies find it.
 */
function waitingListeners(host: object): number {
  const places = [
    (host as Record<string, unknown>)['__signal_exit_emitter__'],
    (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')],
  ]
  const counts = places.map((each) => (isObject(each) ? each['count'] : undefined))
  return counts.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0)
}
