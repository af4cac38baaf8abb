/**
 * The daemon's progress: on a terminal one line, rewritten each second when it has changed; elsewhere a log line now and then
 * while there is activity.
 */
import type { ArtifactSource, Logger } from '@catalog-p2p/core'
import { formatBytes } from '../shell/format.ts'
import type { Terminal } from '../shell/terminal.ts'

/** Totals since the start. */
export interface Totals {
  readonly peers: number
  readonly served: Readonly<Record<ArtifactSource, { artifacts: number; bytes: number }>>
  readonly uploadedBytes: number
  readonly activeRequests: number
}

export interface Progress {
  start(): void
  /** Clears the line, so that something else can be printed. */
  clear(): void
  stop(): void
}

const REWRITE_MS = 1000
/** Between log lines while there is activity. */
const LOG_MS = 10_000

const WORDS: Readonly<Record<ArtifactSource, string>> = {
  store: 'store',
  peer: 'peers',
  origin: 'registry',
}

export function createProgress(
  deps: { terminal: Terminal; log: Logger; totals: () => Totals },
  options: { rewrite: boolean },
): Progress {
  const { terminal, log, totals } = deps
  let timer: NodeJS.Timeout | undefined
  let before: Totals | undefined
  const everyMs = options.rewrite ? REWRITE_MS : LOG_MS
  let shown = ''
  let logged = ''

  function clear(): void {
    if (shown !== '') terminal.raw('\r\u001B[2K')
    shown = ''
  }

  function rateOf(bytes: (of: Totals) => number, now: Totals): number {
    return before === undefined ? 0 : Math.round((1000 * (bytes(now) - bytes(before))) / everyMs)
  }

  function tick(): void {
    const now = totals()
    const speed = rateOf(bytesOf, now)
    const upload = rateOf(({ uploadedBytes }) => uploadedBytes, now)
    before = now
    if (options.rewrite) {
      const line = progressLine(now, { speed, upload }).slice(0, terminal.columns - 1)
      if (line === shown) return
      clear()
      terminal.raw(terminal.paintNote('dim', line))
      shown = line
      return
    }
    const state = JSON.stringify([now.served, now.uploadedBytes])
    if (state === logged) return
    // On the first tick every number is zero.
    if (logged !== '') log.info('daemon.progress', { ...now, bytesPerSecond: speed })
    logged = state
  }

  return {
    start() {
      timer ??= setInterval(tick, everyMs).unref()
      tick()
    },
    clear,
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}

/** `3 peers · 120 from store, 33 from peers (4.2 MB), 12 from registry (8.1 MB) · 3.4 MB/s`. Pure. */
export function progressLine(now: Totals, rates: { speed: number; upload: number }): string {
  const sources = (['store', 'peer', 'origin'] as const)
    .filter((source) => now.served[source].artifacts > 0)
    .map((source) => {
      const { artifacts, bytes } = now.served[source]
      return `${artifacts} from ${WORDS[source]} (${formatBytes(bytes)})`
    })
  const parts = [now.peers === 1 ? '1 peer' : `${now.peers} peers`]
  parts.push(sources.length === 0 ? 'nothing asked for yet' : sources.join(', '))
  if (now.activeRequests > 0 || rates.speed > 0) parts.push(`${formatBytes(rates.speed)}/s`)
  if (now.uploadedBytes > 0) {
    const rate = rates.upload > 0 ? `, ${formatBytes(rates.upload)}/s` : ''
    parts.push(`${formatBytes(now.uploadedBytes)} given to peers${rate}`)
  }
  return parts.join(' · ')
}

function bytesOf({ served }: Totals): number {
  return served.store.bytes + served.peer.bytes + served.origin.bytes
}
