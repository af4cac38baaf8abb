/**
 * libp2p's QUIC transport with its dials mended (its listeners: quic-listener.ts):
 *
 * - Dials that end. Its own ignore the signal and wait 10 s for an answer, so where UDP is dropped TCP would never be tried
 *   in time. Here an address has a short time to answer, and once one of a peer's addresses has been silent the others of
 *   that peer get less still: UDP is most likely dropped on the way.
 * - Dials that work again. The native endpoint that dials may die (a socket error ends it), and every later dial would fail:
 *   another one takes its place.
 */
import type { quic } from '@chainsafe/libp2p-quic'
import { isStartable, type Transport } from '@libp2p/interface'
import { LRUCache } from 'lru-cache'
import type { IpFamily } from '../listen-addresses.ts'
import { raceSignal } from '../../../timing/race-signal.ts'
import { timeoutSignal } from '../../../timing/timeout-signal.ts'
import { peerOf } from '../addresses/peer-addresses.ts'
import { withRestartingListeners, type QuicListenerDependencies } from './quic-listener.ts'

type QuicTransportFactory = ReturnType<typeof quic>
type Components = Parameters<QuicTransportFactory>[0]
type Dial = Transport['dial']

const DIAL_TIMEOUT_MS = 1_000
const DIAL_AGAIN_TIMEOUT_MS = 300
/** How long a silent address counts against its peer's other addresses. */
const SILENCE_MEMORY_MS = 10_000
/** After so many silent dials without an answer to any, this network drops UDP: no address gets the long time. */
const SILENT_NETWORK = 4

const QUIC_OPTIONS = {
  // Flow control windows: what one peer can make us hold before JavaScript takes it, so no more than needed for 1 Gbit at 100 ms.
  maxStreamData: 12_000_000,
  maxConnectionData: 16_000_000,
  maxConcurrentStreamLimit: 256,
  // A peer that is gone without a word is noticed after the one and at most the other, which keeps it there, and NATs' mappings of
  // UDP as well (30 s is the least that is seen). Requests to it have gone elsewhere long before, and most of what a node with 100
  // peers does at rest is this.
  maxIdleTimeout: 30_000,
  keepAliveInterval: 20_000,
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
  deps: QuicListenerDependencies,
): (components: Components) => Transport {
  const create = createFactory({
    ...QUIC_OPTIONS,
    ipv4: families.includes(4),
    ipv6: families.includes(6),
  })
  return (components) => {
    const transport = create(components)
    transport.dial = withDeadline(withNewEndpoints(transport, deps), deps)
    transport.createListener = withRestartingListeners(
      transport.createListener.bind(transport),
      deps,
    )
    return transport
  }
}

/** The transport makes its dialing endpoints when it starts: a dead one is replaced by stopping and starting it. */
function withNewEndpoints(transport: Transport, { log }: QuicListenerDependencies): Dial {
  const dial = transport.dial.bind(transport)
  if (!isStartable(transport)) return dial
  const start = transport.start.bind(transport)
  const stop = transport.stop.bind(transport)
  let isRunning = true // its constructor makes the first ones
  let generation = 0
  let replaced = Promise.resolve()
  transport.start = async () => {
    isRunning = true
    await start()
  }
  transport.stop = async () => {
    isRunning = false
    await stop()
  }

  async function restart(): Promise<void> {
    await stop()
    if (isRunning) await start()
  }

  /** @throws the error when there is nothing to be done about it */
  async function replace(dialled: number, error: unknown): Promise<void> {
    if (!(error instanceof Error) || error.message !== 'endpoint stopping' || !isRunning)
      throw error
    if (dialled === generation) {
      generation++
      log.warn('host.quic-dialer-died', { error })
      replaced = restart()
    }
    await replaced
  }

  return async (address, options) => {
    const dialled = generation
    try {
      return await dial(address, options)
    } catch (error) {
      await replace(dialled, error)
      return await dial(address, options)
    }
  }
}

function withDeadline(dial: Dial, { clock }: QuicListenerDependencies): Dial {
  const silentPeers = new LRUCache<string, true>({ max: 1000, ttl: SILENCE_MEMORY_MS })
  let silentInRow = 0
  return async (address, options) => {
    const peer = peerOf(address) ?? address.toString()
    const isSilent = silentPeers.has(peer) || silentInRow >= SILENT_NETWORK
    const timeout = timeoutSignal(clock, isSilent ? DIAL_AGAIN_TIMEOUT_MS : DIAL_TIMEOUT_MS)
    // The signal also reaches the upgrade, so a connection that comes too late is dropped there.
    const signal = AbortSignal.any([timeout, options.signal])
    try {
      const connection = await raceSignal(dial(address, { ...options, signal }), signal)
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
