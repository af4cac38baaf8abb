/**
 * Our side of each connected peer: a session stream for small artifacts and manifests, and a bulk stream for chunks of large
 * ones, so that they never wait for each other. Opened on first need, reopened after a failure. It never connects by itself
 * nor retries a request.
 */
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { CatalogError } from '../../errors.ts'
import type { Host, PeerId } from '../../host/host.ts'
import { TRANSFER_PROTOCOL } from '../../wire/transfer-messages.ts'
import type { ChunkPool } from '../chunks/chunk-pool.ts'
import {
  createRequestStream,
  type RequestStream,
  type RequestStreamDeps,
  type RequestStreamOptions,
} from './request-stream.ts'

const OPEN_DEADLINE_MS = 5_000
/** What a peer says of its upload limit counts for so long: three times the interval at which it repeats it. */
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

export interface PeerLinkDeps {
  readonly host: Host
  readonly clock: Clock
  readonly pool: ChunkPool
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
}

export function createPeerLinks(deps: PeerLinkDeps, options: RequestStreamOptions): PeerLinks {
  const links = new Map<PeerId, PeerLink>()
  let stopped = false

  function linkTo(peer: PeerId): PeerLink {
    let link = links.get(peer)
    if (link === undefined) links.set(peer, (link = new PeerLink(peer, deps, options)))
    return link
  }

  async function stream(peer: PeerId, lane: Lane): Promise<RequestStream> {
    if (stopped) throw new CatalogError('NODE_STOPPED', 'the node has stopped')
    const link = linkTo(peer)
    try {
      return await link.stream(lane)
    } catch (error) {
      // For a peer that never came, nothing says that it has gone.
      if (links.get(peer) === link && !deps.host.isConnected(peer)) {
        drop(peer, new CatalogError('PEER_UNREACHABLE', 'the peer is not there', { peer }))
      }
      throw error
    }
  }

  function drop(peer: PeerId, reason: Error): void {
    const link = links.get(peer)
    links.delete(peer)
    link?.close(reason)
  }

  return {
    stream,
    outstanding: (peer) => links.get(peer)?.outstanding ?? 0,
    receivedBytes: (peer, lane) => links.get(peer)?.receivedBytes(lane) ?? 0,
    isThrottled: (peer) => links.get(peer)?.isThrottled ?? false,
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

/** The streams to one peer, from its coming to its going. */
class PeerLink {
  readonly #peer: PeerId
  readonly #deps: PeerLinkDeps
  readonly #options: RequestStreamOptions
  readonly #opening = new Map<Lane, Promise<RequestStream>>()
  readonly #open = new Map<Lane, RequestStream>()
  /** Bytes received on streams that are closed by now. */
  readonly #closedBytes: Record<Lane, number> = { session: 0, bulk: 0 }
  #isClosed = false

  constructor(peer: PeerId, deps: PeerLinkDeps, options: RequestStreamOptions) {
    this.#peer = peer
    this.#deps = deps
    this.#options = options
  }

  /** @throws CatalogError PEER_UNREACHABLE */
  stream(lane: Lane): Promise<RequestStream> {
    const open = this.#open.get(lane)
    if (open !== undefined && !open.failed) return Promise.resolve(open)
    let opening = this.#opening.get(lane)
    if (opening === undefined) {
      opening = this.#openStream(lane).finally(() => this.#opening.delete(lane))
      this.#opening.set(lane, opening)
    }
    return opening
  }

  get outstanding(): number {
    let count = 0
    for (const stream of this.#open.values()) count += stream.outstanding
    return count
  }

  receivedBytes(lane?: Lane): number {
    if (lane === undefined) return this.receivedBytes('session') + this.receivedBytes('bulk')
    return this.#closedBytes[lane] + (this.#open.get(lane)?.receivedBytes ?? 0)
  }

  get isThrottled(): boolean {
    const sinceMs = this.#deps.clock.now() - THROTTLED_FOR_MS
    const streams = [...this.#open.values()]
    return streams.some(({ throttledAtMs }) => (throttledAtMs ?? -Infinity) > sinceMs)
  }

  close(reason: Error): void {
    this.#isClosed = true
    for (const stream of [...this.#open.values()]) stream.close(reason)
  }

  async #openStream(lane: Lane): Promise<RequestStream> {
    const { host, clock, pool } = this.#deps
    const peer = this.#peer
    const signal = timeoutSignal(this.#deps.clock, OPEN_DEADLINE_MS)
    const bytes = await host.open(peer, TRANSFER_PROTOCOL, { signal })
    if (this.#isClosed) {
      const error = new CatalogError('PEER_UNREACHABLE', 'the peer has gone', { peer })
      bytes.abort(error)
      throw error
    }
    const deps: RequestStreamDeps = {
      clock,
      // Only chunks of large artifacts come in bulk, and their readers give the buffers back.
      ...(lane === 'bulk' && { allocate: (length: number) => pool.take(length) }),
      onMisbehaviour: (reason) => this.#deps.onMisbehaviour(peer, reason),
      heardBytes: () => this.receivedBytes(),
      onClosed: () => this.#onClosed(lane, stream),
    }
    const stream: RequestStream = createRequestStream(bytes, deps, this.#options)
    this.#open.set(lane, stream)
    return stream
  }

  #onClosed(lane: Lane, stream: RequestStream): void {
    if (this.#open.get(lane) !== stream) return
    this.#open.delete(lane)
    this.#closedBytes[lane] += stream.receivedBytes
  }
}
