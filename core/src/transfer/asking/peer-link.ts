/**
 * Our side of each connected peer: a session stream for small artifacts and manifests, and a bulk stream for chunks of large
 * ones, so that they never wait for each other. Opened on first need, reopened after a failure. Requests never wait for a carrier
 * (carrier/carrier.ts): the first of them has one made, and those that come when the peer has said hello on it go over it. It never connects by itself
 * nor retries a request.
 */
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { CatalogError } from '../../errors.ts'
import type { ByteStream, Host, PeerId } from '../../host/host.ts'
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
/** Over the connection that the host has, or over a carrier beside it. */
type Way = 'host' | 'carrier'

export interface PeerLinks {
  /** One that is open: what most requests find. */
  readonly ready: (peer: PeerId, lane: Lane) => RequestStream | undefined
  /** @throws CatalogError PEER_UNREACHABLE */
  readonly stream: (peer: PeerId, lane: Lane) => Promise<RequestStream>
  readonly outstanding: (peer: PeerId) => number
  /** Bytes of answers received on one of the peer's lanes, or on both. Begins anew when the peer has gone and come back. */
  readonly receivedBytes: (peer: PeerId, lane?: Lane) => number
  /** When something came from it on a stream that is open; -Infinity before. */
  readonly heardAtMs: (peer: PeerId) => number
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
  /** See Carriers.open. Absent: there are none. */
  readonly openCarrier?: ((peer: PeerId) => Promise<ByteStream | undefined>) | undefined
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
    ready: (peer, lane) => links.get(peer)?.ready(lane),
    stream,
    outstanding: (peer) => links.get(peer)?.outstanding ?? 0,
    receivedBytes: (peer, lane) => links.get(peer)?.receivedBytes(lane) ?? 0,
    heardAtMs: (peer) => links.get(peer)?.heardAtMs ?? -Infinity,
    isThrottled: (peer) => links.get(peer)?.isThrottled ?? false,
    warm(peer) {
      // The first request will say so. It also has the carrier made: most peers that come are never asked for anything.
      linkTo(peer)
        .stream('session', 'host')
        .catch(() => undefined)
    },
    drop,
    stop() {
      stopped = true
      const reason = new CatalogError('NODE_STOPPED', 'the node has stopped')
      for (const peer of [...links.keys()]) drop(peer, reason)
    },
  }
}

interface LaneStreams {
  readonly open: Map<Way, RequestStream>
  opening: Promise<RequestStream> | undefined
  isCarrierBeingMade: boolean
}

function newLane(): LaneStreams {
  return { open: new Map(), opening: undefined, isCarrierBeingMade: false }
}

/** The streams to one peer, from its coming to its going. */
class PeerLink {
  readonly #peer: PeerId
  readonly #deps: PeerLinkDeps
  readonly #options: RequestStreamOptions
  readonly #lanes = { session: newLane(), bulk: newLane() }
  /** Bytes received on streams that are closed by now. */
  readonly #closedBytes: Record<Lane, number> = { session: 0, bulk: 0 }
  #isClosed = false

  constructor(peer: PeerId, deps: PeerLinkDeps, options: RequestStreamOptions) {
    this.#peer = peer
    this.#deps = deps
    this.#options = options
  }

  /** One that is open. Has a carrier made where there is none, unless the host's is asked for. */
  ready(lane: Lane, way?: 'host'): RequestStream | undefined {
    const { open } = this.#lanes[lane]
    const carrier = way === undefined ? open.get('carrier') : undefined
    if (carrier?.isGreeted === true && !carrier.failed) return carrier
    if (way === undefined && carrier === undefined) this.#makeCarrier(lane)
    const host = open.get('host')
    return host?.failed === false ? host : undefined
  }

  /** @throws CatalogError PEER_UNREACHABLE */
  async stream(lane: Lane, way?: 'host'): Promise<RequestStream> {
    const ready = this.ready(lane, way)
    if (ready !== undefined) return ready
    const streams = this.#lanes[lane]
    streams.opening ??= this.#openStream(lane).finally(() => {
      streams.opening = undefined
    })
    return await streams.opening
  }

  get outstanding(): number {
    return this.#streams().reduce((count, stream) => count + stream.outstanding, 0)
  }

  receivedBytes(lane?: Lane): number {
    if (lane === undefined) return this.receivedBytes('session') + this.receivedBytes('bulk')
    const open = [...this.#lanes[lane].open.values()]
    return open.reduce((sum, stream) => sum + stream.receivedBytes, this.#closedBytes[lane])
  }

  get heardAtMs(): number {
    return this.#streams().reduce((last, stream) => Math.max(last, stream.heardAtMs), -Infinity)
  }

  #hostBytes(): number {
    const { session, bulk } = this.#lanes
    const open = [session.open.get('host'), bulk.open.get('host')]
    return open.reduce((sum, stream) => sum + (stream?.heardBytes ?? 0), 0)
  }

  get isThrottled(): boolean {
    const sinceMs = this.#deps.clock.now() - THROTTLED_FOR_MS
    return this.#streams().some(({ throttledAtMs }) => (throttledAtMs ?? -Infinity) > sinceMs)
  }

  close(reason: Error): void {
    this.#isClosed = true
    for (const stream of this.#streams()) stream.close(reason)
  }

  #streams(): RequestStream[] {
    const { session, bulk } = this.#lanes
    return [...session.open.values(), ...bulk.open.values()]
  }

  async #openStream(lane: Lane): Promise<RequestStream> {
    const signal = timeoutSignal(this.#deps.clock, OPEN_DEADLINE_MS)
    const peer = this.#peer
    const bytes = await this.#deps.host
      .open(peer, TRANSFER_PROTOCOL, { signal })
      .catch((error: unknown) => {
        if (!signal.aborted) throw error
        throw new CatalogError('PEER_UNREACHABLE', 'no stream in time', { peer, cause: error })
      })
    return this.#askOn(bytes, lane, 'host')
  }

  /** In the background: what it fails of is the carriers' business. */
  #makeCarrier(lane: Lane): void {
    const { openCarrier } = this.#deps
    const streams = this.#lanes[lane]
    if (openCarrier === undefined || streams.isCarrierBeingMade) return
    streams.isCarrierBeingMade = true
    openCarrier(this.#peer)
      .then((bytes) => bytes && this.#askOn(bytes, lane, 'carrier'))
      .catch(() => undefined) // the peer has gone meanwhile
      .finally(() => {
        streams.isCarrierBeingMade = false
      })
  }

  /** @throws CatalogError PEER_UNREACHABLE when the peer has gone */
  #askOn(bytes: ByteStream, lane: Lane, way: Way): RequestStream {
    const { clock, pool } = this.#deps
    const peer = this.#peer
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
      // The host has one connection for both lanes; each carrier is another, which may freeze while all else goes on.
      ...(way === 'host' ? { heardBytes: () => this.#hostBytes() } : { isCarrier: true }),
      onClosed: () => this.#onClosed(lane, way, stream),
    }
    const stream: RequestStream = createRequestStream(bytes, deps, this.#options)
    this.#lanes[lane].open.set(way, stream)
    return stream
  }

  #onClosed(lane: Lane, way: Way, stream: RequestStream): void {
    const { open } = this.#lanes[lane]
    if (open.get(way) !== stream) return
    open.delete(way)
    this.#closedBytes[lane] += stream.receivedBytes
  }
}
