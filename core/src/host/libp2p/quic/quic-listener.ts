/**
 * libp2p's QUIC listener with three repairs:
 *
 * - Several handshakes at a time. It accepts one after another, so a dialer that falls silent in the middle of its handshake,
 *   by accident or on purpose, would keep all others out for 10 s.
 * - When the native endpoint fails (a socket error ends it), libp2p asks it for connections without end, which would take a
 *   whole processor. Here that stops, is logged once, and the listener is opened again, with growing delays.
 * - Closing it leaves the connections to libp2p, which closes them anyway.
 */
import type { Listener, Transport } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { backOffMs } from '../../../timing/back-off.ts'
import type { CancelTimer, Clock } from '../../../timing/clock.ts'
import type { Logger } from '../../../log.ts'
import type { NetworkProblems } from '../network-problems.ts'

type CreateListener = Transport['createListener']

export interface QuicListenerDependencies {
  readonly clock: Clock
  readonly log: Logger
  readonly problems: NetworkProblems
}

/** Inbound handshakes under way at once; each ends after 10 s at the latest. */
const MAX_HANDSHAKES = 256
const BACK_OFF = { firstMs: 1_000, maxMs: 60_000 }
/** One that has lived so long died of something new. */
const HEALTHY_MS = 60_000
/** A dead endpoint has nothing to wait for; this is for the case that it does. */
const ABORT_TIMEOUT_MS = 5_000

/** What the native endpoint has of what is needed here. */
interface Endpoint {
  /** Rejects when a handshake has failed, and at once, for ever, when the endpoint is closed or dead. */
  inboundConnection(): Promise<unknown>
  /** Frees the port. */
  abort(): Promise<void>
}

interface Listening {
  readonly status: 'listening'
  readonly listener: Endpoint
  /** With the port that it really has. */
  readonly listenAddr: Multiaddr
  /** Ends the loops that accept connections. */
  readonly controller: AbortController
  /** That it aborts when it is closed. */
  readonly connections: { clear(): void }
}

interface QuicListener extends Listener {
  /** The loop that waits for a handshake to be complete, then for the next; ends when the controller aborts. Never rejects. */
  awaitInboundConnections(): Promise<void>
  readonly state: Listening | { readonly status: 'ready' | 'closed' }
}

export function withRestartingListeners(
  create: CreateListener,
  deps: QuicListenerDependencies,
): CreateListener {
  return (options) => {
    const listener = create(options)
    // Another version may do it otherwise: quic-listener.test.ts and stuck-peers.test.ts then say whether it is still needed.
    if (isQuicListener(listener)) restartOnFailure(listener, deps)
    return listener
  }
}

function restartOnFailure(
  listener: QuicListener,
  { clock, log, problems }: QuicListenerDependencies,
): void {
  const listen = listener.listen.bind(listener)
  const close = listener.close.bind(listener)
  const getAddrs = listener.getAddrs.bind(listener)
  let isClosed = false
  let isDown = false
  let failures = 0
  let openedAtMs = 0
  let cancelTimer: CancelTimer | undefined
  let reopening: Promise<void> | undefined

  async function open(address: Multiaddr): Promise<void> {
    await listen(address)
    if (!isListening(listener)) return
    isDown = false
    openedAtMs = clock.now()
    watch(listener.state)
    // It runs one of its own.
    for (let more = 1; more < MAX_HANDSHAKES; more++) void listener.awaitInboundConnections()
  }

  function watch({ listener: endpoint, listenAddr, controller }: Listening): void {
    const accept = endpoint.inboundConnection.bind(endpoint)
    let hasFailed = false
    endpoint.inboundConnection = async () => {
      try {
        if (!hasFailed) return await accept()
      } catch (error) {
        if (!isEndOfEndpoint(error)) throw error
        if (!hasFailed && !controller.signal.aborted) onFailure(listenAddr, error)
        hasFailed = true
      }
      return await new Promise(() => undefined) // the loop ends with its controller
    }
  }

  function onFailure(address: Multiaddr, error: unknown): void {
    isDown = true
    if (clock.now() - openedAtMs > HEALTHY_MS) failures = 0
    const delayMs = nextDelayMs()
    const facts = { address: address.toString(), error, againInMs: delayMs }
    if (failures === 1) log.warn('host.quic-listener-died', facts)
    else log.debug('host.quic-listener-died', facts)
    problems.set(listener, `QUIC does not listen on ${address.toString()}: its endpoint died`)
    reopenAfter(delayMs, address)
  }

  function nextDelayMs(): number {
    return backOffMs(failures++, BACK_OFF)
  }

  function reopenAfter(delayMs: number, address: Multiaddr): void {
    if (isClosed) return
    cancelTimer = clock.after(delayMs, () => {
      reopening = reopen(address).catch((error: unknown) => {
        log.debug('host.quic-does-not-listen', { address: address.toString(), error })
        reopenAfter(nextDelayMs(), address)
      })
    })
  }

  async function reopen(address: Multiaddr): Promise<void> {
    if (isListening(listener)) {
      const { controller, listener: endpoint } = listener.state
      controller.abort()
      await inTime(endpoint.abort(), clock)
    }
    if (isClosed) return
    await open(address)
    problems.clear(listener)
    log.info('host.quic-listens-again', { address: address.toString() })
  }

  listener.listen = open
  listener.getAddrs = () => (isDown ? [] : getAddrs())
  listener.close = async () => {
    isClosed = true
    cancelTimer?.()
    await reopening
    problems.clear(listener)
    // libp2p, which closes all connections at that time, would wait half a second for those to say that they are closed.
    if (isListening(listener)) listener.state.connections.clear()
    await close()
  }
}

function isQuicListener(listener: Listener): listener is QuicListener {
  return (
    'awaitInboundConnections' in listener &&
    typeof listener.awaitInboundConnections === 'function' &&
    'state' in listener
  )
}

function isListening(listener: QuicListener): listener is QuicListener & { state: Listening } {
  return listener.state.status === 'listening'
}

/** The binding has no codes. Any other error is that of one handshake. */
function isEndOfEndpoint(error: unknown): boolean {
  return error instanceof Error && error.message === 'server closed'
}

async function inTime(promise: Promise<void>, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>()
  const cancel = clock.after(ABORT_TIMEOUT_MS, late.resolve)
  try {
    await Promise.race([promise, late.promise])
  } finally {
    cancel()
  }
}
