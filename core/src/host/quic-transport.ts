/**
 * libp2p's QUIC transport with two of its waits mended:
 *
 * - Dials that end. Its own ignore the signal and wait 10 s for an answer, so where UDP is dropped TCP would never be tried
 *   in time. Here an address has a short time to answer, and once one of a peer's addresses has been silent the others of
 *   that peer get less still: UDP is most likely dropped on the way.
 * - Handshakes beside each other. Its listener accepts one after another, so a dialer that falls silent in the middle of its
 *   handshake (or means to) would keep everybody else out for 10 s.
 */
import type { quic } from '@chainsafe/libp2p-quic'
import type { Listener, Transport } from '@libp2p/interface'
import { LRUCache } from 'lru-cache'
import type { IpFamily } from './listen-addresses.ts'
import { orAborted } from './or-aborted.ts'
import { peerOf } from './peer-addresses.ts'

type QuicTransportFactory = ReturnType<typeof quic>
type Components = Parameters<QuicTransportFactory>[0]
type Dial = Transport['dial']
type CreateListener = Transport['createListener']

const DIAL_TIMEOUT_MS = 1_000
const DIAL_AGAIN_TIMEOUT_MS = 300
/** How long a silent address counts against its peer's other addresses. */
const SILENCE_MEMORY_MS = 10_000
/** After so many silent dials without an answer to any, this network drops UDP: no address gets the long time. */
const SILENT_NETWORK = 4
/** Inbound handshakes under way at once; each ends after 10 s at the latest. */
const MAX_HANDSHAKES = 64

/** Flow control windows: what one peer can make us hold before JavaScript takes it, so no more than needed for 1 Gbit at 100 ms. */
const QUIC_OPTIONS = {
  maxStreamData: 12_000_000,
  maxConnectionData: 16_000_000,
  maxConcurrentStreamLimit: 256,
  maxIdleTimeout: 10_000,
  keepAliveInterval: 3_000,
  receiveBufferSize: 1_000_000,
  sendBufferSize: 1_000_000,
} as const

/** libp2p's factory; it is native code, and rejects where there is none for the platform. */
export type Quic = typeof quic

export async function loadQuic(): Promise<Quic> {
  const module = await import('@chainsafe/libp2p-quic')
  return module.quic
}

export function quicTransport(
  createFactory: Quic,
  families: readonly IpFamily[],
): (components: Components) => Transport {
  const create = createFactory({
    ...QUIC_OPTIONS,
    ipv4: families.includes(4),
    ipv6: families.includes(6),
  })
  return (components) => {
    const transport = create(components)
    transport.dial = withDeadline(transport.dial.bind(transport))
    transport.createListener = withManyAccepts(transport.createListener.bind(transport))
    return transport
  }
}

function withDeadline(dial: Dial): Dial {
  const silentPeers = new LRUCache<string, true>({ max: 1000, ttl: SILENCE_MEMORY_MS })
  let silentInRow = 0
  return async (address, options) => {
    const peer = peerOf(address) ?? address.toString()
    const isSilent = silentPeers.has(peer) || silentInRow >= SILENT_NETWORK
    const timeout = AbortSignal.timeout(isSilent ? DIAL_AGAIN_TIMEOUT_MS : DIAL_TIMEOUT_MS)
    // The signal also reaches the upgrade, so a connection that comes too late is dropped there.
    const signal = AbortSignal.any([timeout, options.signal])
    try {
      const connection = await orAborted(dial(address, { ...options, signal }), signal)
      silentPeers.delete(peer)
      silentInRow = 0
      return connection
    } catch (error) {
      if (timeout.aborted) {
        silentPeers.set(peer, true)
        silentInRow += 1
      }
      throw error
    }
  }
}

/** The listener's loop that waits for a handshake to be complete, then for the next; ends when the listener is closed. */
interface AcceptingListener extends Listener {
  awaitInboundConnections(): Promise<void>
}

function withManyAccepts(create: CreateListener): CreateListener {
  return (options) => {
    const listener = create(options)
    // Another version may do it otherwise: test/protocol/stuck-peers.test.ts then says whether it is still needed.
    if (!isAccepting(listener)) return listener
    const listen = listener.listen.bind(listener)
    listener.listen = async (address) => {
      await listen(address)
      // It runs one of its own. None of them rejects.
      for (let more = 1; more < MAX_HANDSHAKES; more++) void listener.awaitInboundConnections()
    }
    return listener
  }
}

function isAccepting(listener: Listener): listener is AcceptingListener {
  return (
    'awaitInboundConnections' in listener && typeof listener.awaitInboundConnections === 'function'
  )
}
