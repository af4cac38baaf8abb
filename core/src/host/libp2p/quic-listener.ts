/**
 * libp2p's QUIC listener, mended in two ways:
 *
 * - Handshakes beside each other. It accepts one after another, so a dialer that falls silent in the middle of its handshake
 *   (or means to) would keep everybody else out for 10 s.
 * - An endpoint that dies (a socket error ends the native one) is not asked for connections without end, which would take a
 *   whole processor: it is told once, and the listener listens anew, again and again with growing pauses.
 */
import type { Listener, Transport } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CancelTimer, Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'
import type { NetworkProblems } from './network-problems.ts'

type CreateListener = Transport['createListener']

export interface QuicListenerDependencies {
  readonly clock: Clock
  readonly log: Logger
  readonly problems: NetworkProblems
}

/** Inbound handshakes under way at once; each ends after 10 s at the latest. */
const MAX_HANDSHAKES = 256
const FIRST_REST_MS = 1_000
const MAX_REST_MS = 60_000
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
}

interface QuicListener extends Listener {
  /** The loop that waits for a handshake to be complete, then for the next; ends when the controller aborts. Never rejects. */
  awaitInboundConnections(): Promise<void>
  readonly state: Listening | { readonly status: 'ready' | 'closed' }
}

export function withLastingListeners(
  create: CreateListener,
  deps: QuicListenerDependencies,
): CreateListener {
  return (options) => {
    const listener = create(options)
    // Another version may do it otherwise: quic-listener.test.ts and stuck-peers.test.ts then say whether it is still needed.
    if (isQuicListener(listener)) makeLasting(listener, deps)
    return listener
  }
}

function makeLasting(
  listener: QuicListener,
  { clock, log, problems }: QuicListenerDependencies,
): void {
  const listen = listener.listen.bind(listener)
  const close = listener.close.bind(listener)
  const getAddrs = listener.getAddrs.bind(listener)
  let isClosed = false
  let isDead = false
  let deaths = 0
  let bornAtMs = 0
  let cancelTimer: CancelTimer | undefined
  let reopening: Promise<void> | undefined

  async function open(address: Multiaddr): Promise<void> {
    await listen(address)
    if (!isListening(listener)) return
    isDead = false
    bornAtMs = clock.now()
    watch(listener.state)
    // It runs one of its own.
    for (let more = 1; more < MAX_HANDSHAKES; more++) void listener.awaitInboundConnections()
  }

  function watch({ listener: endpoint, listenAddr, controller }: Listening): void {
    const accept = endpoint.inboundConnection.bind(endpoint)
    let hasDied = false
    endpoint.inboundConnection = async () => {
      try {
        if (!hasDied) return await accept()
      } catch (error) {
        if (!isEndOfEndpoint(error)) throw error
        if (!hasDied && !controller.signal.aborted) onDeath(listenAddr, error)
        hasDied = true
      }
      return await new Promise(() => undefined) // the loop ends with its controller
    }
  }

  function onDeath(address: Multiaddr, error: unknown): void {
    isDead = true
    if (clock.now() - bornAtMs > HEALTHY_MS) deaths = 0
    const restMs = nextRestMs()
    const facts = { address: address.toString(), error, againInMs: restMs }
    if (deaths === 1) log.warn('host.quic-listener-died', facts)
    else log.debug('host.quic-listener-died', facts)
    problems.set(listener, `QUIC does not listen on ${address.toString()}: its endpoint died`)
    reopenAfter(restMs, address)
  }

  function nextRestMs(): number {
    const restMs = deaths === 0 ? 0 : FIRST_REST_MS * 2 ** (deaths - 1)
    deaths++
    return Math.min(MAX_REST_MS, restMs)
  }

  function reopenAfter(restMs: number, address: Multiaddr): void {
    if (isClosed) return
    cancelTimer = clock.after(restMs, () => {
      reopening = reopen(address).catch((error: unknown) => {
        log.debug('host.quic-does-not-listen', { address: address.toString(), error })
        reopenAfter(nextRestMs(), address)
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
  listener.getAddrs = () => (isDead ? [] : getAddrs())
  listener.close = async () => {
    isClosed = true
    cancelTimer?.()
    await reopening
    problems.clear(listener)
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
