/**
 * Carriers: TLS connections of our own beside libp2p's, for the bytes between two peers that reach each other by TCP. They cost
 * less processor time than QUIC (docs/decisions/0017). Nothing depends on one: where it can't be made, or breaks, there is the host.
 * A carrier belongs to a peer whose connection libp2p has authenticated (and a private swarm admitted), and ends with that.
 */
import type { TLSSocket } from 'node:tls'
import { CatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerConnection, PeerId } from '../host/host.ts'
import { addressGroup } from '../limits/address-group.ts'
import { FairShare, type Holding } from '../limits/fair-share.ts'
import type { Logger } from '../log.ts'
import { createAnswering } from '../rpc/answer.ts'
import type { Clock } from '../timing/clock.ts'
import type { CarrierOffer } from '../wire/carrier-messages.ts'
import { createCarrierDialer } from './carrier-dialer.ts'
import { createCarrierListener } from './carrier-listener.ts'
import { CARRIER_OFFERS } from './offer-protocol.ts'
import { Tickets, type Ticket } from './tickets.ts'
import { toByteStream, type TlsStreamOptions } from './tls-stream.ts'

/** Carriers that one peer may hold open to us: a session, a bulk stream, and both anew. */
export const MAX_CARRIERS_PER_PEER = 4
/** What peers' carriers and all that is unread on them take of memory, together; those of one address may have an eighth of it. */
const ACCEPTED_BYTES = 32 * 1024 * 1024
/** An open one counts as so much, beside what is unread on it: so they are 64 of one address, and 512 in all. */
const CARRIER_BYTES = 64 * 1024
/** The one who asks closes sooner: it knows that it waits for nothing. */
const IDLE_MS = { dialled: 60_000, accepted: 300_000 }

export interface Carriers {
  start(): Promise<void>
  stop(): Promise<void>
  /** Whom the streams that peers open are given to; before the start. It owns its stream. */
  handle(handler: (stream: ByteStream) => void | Promise<void>): void
  /** A new stream to a connected peer; undefined where there is none to be had just now, for whatever reason. Never rejects. */
  open(peer: PeerId): Promise<ByteStream | undefined>
  /** Open ones with this peer, whoever has opened them. */
  count(peer: PeerId): number
}

export interface CarriersDeps {
  readonly host: Host
  readonly clock: Clock
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
  /** On a network that we are on, or this machine. */
  readonly isNear: (ip: string) => boolean
  /** A router of ours, which is nobody's peer. */
  readonly isGateway: (ip: string) => boolean
}

export interface CarriersOptions {
  /** Of the streams. */
  readonly protocol: string
  /** Addresses to listen on. */
  readonly hosts: readonly string[]
  readonly port: number
}

export function createCarriers(deps: CarriersDeps, options: CarriersOptions): Carriers {
  return new TlsCarriers(deps, options)
}

class TlsCarriers implements Carriers {
  readonly #deps: CarriersDeps
  readonly #options: CarriersOptions
  readonly #tickets = new Tickets()
  readonly #open = new Map<PeerId, Set<ByteStream>>()
  readonly #accepted = new Map<PeerId, number>()
  readonly #share = new FairShare<{ cut(): void }>({
    total: ACCEPTED_BYTES,
    ofGroup: () => ACCEPTED_BYTES / 8,
  })
  readonly #listener: ReturnType<typeof createCarrierListener>
  readonly #dialer: ReturnType<typeof createCarrierDialer>
  readonly #offers: ReturnType<typeof createAnswering>
  #handler: ((stream: ByteStream) => void | Promise<void>) | undefined
  #unsubscribe: (() => void) | undefined

  constructor(deps: CarriersDeps, options: CarriersOptions) {
    this.#deps = deps
    this.#options = options
    this.#listener = createCarrierListener({
      ...deps,
      tickets: this.#tickets,
      onConnection: (socket, ticket) => this.#accept(socket, ticket),
    })
    this.#dialer = createCarrierDialer({
      ...deps,
      connectionOf: (peer) => this.#directConnection(peer),
    })
    this.#offers = createAnswering(deps, CARRIER_OFFERS, {
      maxStreamsPerPeer: 2,
      answer: async (_request, { peer }) => this.#offerTo(peer),
    })
  }

  async start(): Promise<void> {
    const { host } = this.#deps
    const { hosts, port } = this.#options
    this.#unsubscribe = host.onEvent(({ type, peer }) => {
      if (type === 'disconnected') this.#leave(peer)
    })
    await this.#listener.listen(hosts, port)
    this.#offers.start()
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#dialer.stop()
    this.#listener.close()
    for (const peer of [...this.#open.keys()]) this.#leave(peer)
    await this.#offers.stop()
  }

  handle(handler: (stream: ByteStream) => void | Promise<void>): void {
    this.#handler = handler
  }

  async open(peer: PeerId): Promise<ByteStream | undefined> {
    const dialled = await this.#dialer.dial(peer)
    if (dialled === undefined) return undefined
    const { socket, reads } = dialled
    if (this.#unsubscribe === undefined || !this.#deps.host.isConnected(peer)) {
      socket.destroy()
      return undefined
    }
    return this.#adopt(socket, peer, {
      reads,
      idleMs: IDLE_MS.dialled,
      onUnread: () => undefined, // it is what we have asked for
      onClosed: (why) => this.#dialer.closed(peer, why),
    })
  }

  count(peer: PeerId): number {
    return this.#open.get(peer)?.size ?? 0
  }

  #offerTo(peer: PeerId): CarrierOffer | undefined {
    const { port } = this.#listener
    const connection = this.#directConnection(peer)
    if (port === undefined || connection === undefined) return undefined
    const { bytes, key } = this.#tickets.issue(peer, addressGroup(connection.address))
    return { port, ticket: bytes, key }
  }

  #accept(socket: TLSSocket, { peer, group }: Ticket): void {
    const count = this.#accepted.get(peer) ?? 0
    const handler = this.#handler
    if (
      handler === undefined ||
      count >= MAX_CARRIERS_PER_PEER ||
      !this.#deps.host.isConnected(peer)
    ) {
      socket.destroy()
      return
    }
    this.#accepted.set(peer, count + 1)
    const release = (): void => {
      const left = (this.#accepted.get(peer) ?? 1) - 1
      if (left > 0) this.#accepted.set(peer, left)
      else this.#accepted.delete(peer)
    }
    const cut = (): void => {
      place.release()
      stream.abort(new CatalogError('PEER_BUSY', 'too many carriers, or too much unread on them'))
    }
    const place = this.#share.open({ cut }, group)
    const stream = this.#adopt(socket, peer, {
      idleMs: IDLE_MS.accepted,
      onUnread: (bytes) => this.#hold(place, bytes),
      onClosed: () => {
        release()
        place.release()
      },
    })
    this.#hold(place, CARRIER_BYTES)
    void this.#serve(handler, stream)
  }

  #hold(place: Holding, bytes: number): void {
    place.add(bytes)
    if (bytes < 0) return
    for (let next = this.#share.offender(); next; next = this.#share.offender()) next.cut()
  }

  async #serve(
    handler: (stream: ByteStream) => void | Promise<void>,
    stream: ByteStream,
  ): Promise<void> {
    try {
      await handler(stream)
    } catch (error) {
      this.#deps.log.debug('carrier.handler-failed', { peer: stream.peer, error })
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #adopt(
    socket: TLSSocket,
    peer: PeerId,
    { onClosed, ...options }: Pick<TlsStreamOptions, 'reads' | 'idleMs' | 'onUnread' | 'onClosed'>,
  ): ByteStream {
    const streams = this.#open.get(peer) ?? new Set()
    const stream = toByteStream(socket, {
      ...{ clock: this.#deps.clock, peer, protocol: this.#options.protocol, ...options },
      onClosed: (why) => {
        streams.delete(stream)
        if (streams.size === 0 && this.#open.get(peer) === streams) this.#open.delete(peer)
        onClosed(why)
      },
    })
    this.#open.set(peer, streams.add(stream))
    return stream
  }

  /** What a peer had ends with its connection. */
  #leave(peer: PeerId): void {
    this.#tickets.forget(peer)
    this.#dialer.forget(peer)
    const reason = new CatalogError('PEER_UNREACHABLE', 'the peer has gone', { peer })
    for (const stream of [...(this.#open.get(peer) ?? [])]) stream.abort(reason)
  }

  #directConnection(peer: PeerId): PeerConnection | undefined {
    const connection = this.#deps.host.peers().find((each) => each.peer === peer)
    const isDirect = connection?.transport === 'quic' || connection?.transport === 'tcp'
    return isDirect ? connection : undefined
  }
}
