/**
 * Our side of one connected peer: a session stream for small artifacts and manifests, and a bulk stream for chunks of
 * large ones so that they never wait for each other. Opened on first need, reopened after a failure.
 */
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { CatalogError } from '../../errors.ts'
import type { Host, PeerId } from '../../host/host.ts'
import type { Encoding } from '../../content/compression.ts'
import { TRANSFER_PROTOCOL } from '../../wire/transfer-messages.ts'
import type { ChunkPool } from '../chunks/chunk-pool.ts'
import { createRequestStream, type RequestStream } from './request-stream.ts'

const OPEN_DEADLINE_MS = 5_000
/** What a peer says of its upload limit counts for so long: three times what it waits before it says so again. */
const THROTTLED_FOR_MS = 15_000

export type Lane = 'session' | 'bulk'

export interface PeerLinks {
  /** @throws CatalogError PEER_UNREACHABLE */
  readonly stream: (peer: PeerId, lane: Lane) => Promise<RequestStream>
  readonly outstanding: (peer: PeerId) => number
  /** Bytes received on one of the peer's lanes, or on both. Begins anew when the peer has gone and come back. */
  readonly receivedBytes: (peer: PeerId, lane?: Lane) => number
  /** It has said lately that it is slow on purpose. */
  readonly isThrottled: (peer: PeerId) => boolean
  /** Opens the session ahead of the first request. */
  readonly warm: (peer: PeerId) => void
  readonly drop: (peer: PeerId, reason: Error) => void
  readonly stop: () => void
}

interface Link {
  readonly opening: Map<Lane, Promise<RequestStream>>
  readonly open: Map<Lane, RequestStream>
  /** Bytes received on streams that are closed by now. */
  readonly receivedBytes: Record<Lane, number>
}

export function createPeerLinks(
  deps: {
    host: Host
    clock: Clock
    pool: ChunkPool
    onMisbehaviour: (peer: PeerId, reason: string) => void
  },
  options: { encodings: readonly Encoding[]; maxArtifactBytes: number },
): PeerLinks {
  const links = new Map<PeerId, Link>()
  let stopped = false

  function linkTo(peer: PeerId): Link {
    let link = links.get(peer)
    if (link === undefined) {
      link = { opening: new Map(), open: new Map(), receivedBytes: { session: 0, bulk: 0 } }
      links.set(peer, link)
    }
    return link
  }

  async function open(peer: PeerId, lane: Lane, link: Link): Promise<RequestStream> {
    const signal = timeoutSignal(deps.clock, OPEN_DEADLINE_MS)
    const bytes = await deps.host.open(peer, TRANSFER_PROTOCOL, { signal })
    if (stopped || links.get(peer) !== link) {
      const error = new CatalogError('PEER_UNREACHABLE', 'the peer has gone', { peer })
      bytes.abort(error)
      throw error
    }
    const stream: RequestStream = createRequestStream(
      bytes,
      {
        clock: deps.clock,
        // Only chunks of large artifacts come in bulk, and whoever asks for those gives them back.
        ...(lane === 'bulk' && { allocate: (bytes: number) => deps.pool.take(bytes) }),
        onMisbehaviour: (reason) => deps.onMisbehaviour(peer, reason),
        heardBytes: () => received(link, 'session') + received(link, 'bulk'),
        onClosed: () => {
          if (link.open.get(lane) !== stream) return
          link.open.delete(lane)
          link.receivedBytes[lane] += stream.receivedBytes
        },
      },
      options,
    )
    link.open.set(lane, stream)
    return stream
  }

  async function openFor(peer: PeerId, lane: Lane, link: Link): Promise<RequestStream> {
    try {
      return await open(peer, lane, link)
    } catch (error) {
      // Nobody tells us that a peer has gone that never came.
      if (links.get(peer) === link && !deps.host.isConnected(peer)) links.delete(peer)
      throw error
    } finally {
      link.opening.delete(lane)
    }
  }

  function stream(peer: PeerId, lane: Lane): Promise<RequestStream> {
    if (stopped) {
      return Promise.reject(new CatalogError('NODE_STOPPED', 'the node has stopped'))
    }
    const link = linkTo(peer)
    const ready = link.open.get(lane)
    if (ready !== undefined && !ready.failed) return Promise.resolve(ready)
    let opening = link.opening.get(lane)
    if (opening === undefined) link.opening.set(lane, (opening = openFor(peer, lane, link)))
    return opening
  }

  function drop(peer: PeerId, reason: Error): void {
    const link = links.get(peer)
    links.delete(peer)
    for (const one of [...(link?.open.values() ?? [])]) one.close(reason)
  }

  function received(link: Link, lane: Lane): number {
    return link.receivedBytes[lane] + (link.open.get(lane)?.receivedBytes ?? 0)
  }

  return {
    stream,
    outstanding(peer) {
      let count = 0
      for (const one of links.get(peer)?.open.values() ?? []) count += one.outstanding
      return count
    },
    receivedBytes(peer, lane) {
      const link = links.get(peer)
      if (link === undefined) return 0
      if (lane !== undefined) return received(link, lane)
      return received(link, 'session') + received(link, 'bulk')
    },
    isThrottled(peer) {
      const sinceMs = deps.clock.now() - THROTTLED_FOR_MS
      const streams = [...(links.get(peer)?.open.values() ?? [])]
      return streams.some(({ throttledAtMs }) => (throttledAtMs ?? -Infinity) > sinceMs)
    },
    warm(peer) {
      stream(peer, 'session').catch(() => undefined) // the first request will say so
    },
    drop,
    stop() {
      stopped = true
      const reason = new CatalogError('NODE_STOPPED', 'the node has stopped')
      for (const peer of [...links.keys()]) drop(peer, reason)
    },
  }
}
