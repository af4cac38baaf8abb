/**
 * Port 2: connections and streams to peers, authenticated and encrypted by the implementation.
 * Implementations: memory-host.ts (tests, with latency and loss knobs) and libp2p-host.ts.
 * One contract (test/contract/host.contract.ts, host-streams.contract.ts) runs on both.
 */

import type { AddressGroup } from '../limits/address-group.ts'

/** The text form of a libp2p peer id: the hash of a peer's public key, so it can't be claimed. */
export type PeerId = string

/** What the remote of a stream sends, for one reader. */
export interface ByteSource extends AsyncIterable<Uint8Array> {
  /** What `consume` gives may change when `onBytes` has returned. */
  readonly isLent: boolean
  /**
   * In place of iterating, for a reader that gets through each read at once: nothing waits, and no promise is made for it.
   * Resolves when the remote has ended its side; rejects when the stream was aborted, and with what `onBytes` throws.
   */
  readonly consume: (onBytes: (bytes: Uint8Array) => void) => Promise<void>
}

/** Ordered, reliable bytes both ways. */
export interface ByteStream {
  readonly peer: PeerId
  readonly protocol: string
  /**
   * What the remote sends; ends when it has ended its side, throws when the stream was aborted.
   * One consumer. A consumer that falls too far behind has its stream aborted (QUIC streams here can't be paused), so
   * protocols must ask for no more than they can hold: 32 MiB on a stream that we opened, `maxUnreadBytes` on others, less
   * while all streams together hold much.
   */
  readonly source: ByteSource
  /** Resolves when the transport takes more; await it before writing on. Rejects when the stream has failed. */
  write(bytes: Uint8Array): Promise<void>
  /** Ends our side after what is written; the remote's side stays open. */
  end(): Promise<void>
  /** Drops both sides at once; the remote sees a reset. */
  abort(reason: Error): void
}

export type Transport = 'quic' | 'tcp' | 'relay' | 'memory' | 'other'

export interface PeerConnection {
  readonly peer: PeerId
  /** Multiaddr of the remote end. */
  readonly address: string
  /** Peers of one group count as one wherever peers are counted by address. */
  readonly group: AddressGroup
  readonly direction: 'inbound' | 'outbound'
  readonly transport: Transport
  readonly connectedAtMs: number
}

export type HostEvent =
  | { readonly type: 'connected'; readonly peer: PeerId }
  | { readonly type: 'disconnected'; readonly peer: PeerId }

/** From where: the internet, networks that we are on, this machine. */
export type Reach = 'public' | 'private' | 'loopback' | 'nowhere'

/** How the node stands in the network. */
export interface NetworkState {
  /** From how far away a peer has reached us directly within the last minutes. */
  readonly reachedFrom: Reach
  /** Addresses at which a router passes connections on to us (UPnP). */
  readonly mapped: readonly string[]
  /** Our addresses at relays that have reserved a place for us. */
  readonly relayed: readonly string[]
  /** Peers that have reserved a place at our relay. */
  readonly relayReservations: number
  /** Whether we answer the queries of others. */
  readonly dht: 'server' | 'client' | 'off'
  /** Bootstrap addresses that have not been dialled to an end yet this run, whether somebody was there or not. */
  readonly unmet: number
}

/** Of a host that is not started, or has no network but itself. */
export const OFFLINE: NetworkState = {
  reachedFrom: 'nowhere',
  mapped: [],
  relayed: [],
  relayReservations: 0,
  dht: 'off',
  unmet: 0,
}

export interface HandleOptions {
  /** Streams of this protocol that one peer may hold open at once; more are reset. */
  readonly maxStreamsPerPeer: number
  /** Bytes that one stream may have unread before it is aborted; 1 MiB unless given. */
  readonly maxUnreadBytes?: number
  /** For what admission itself asks: peers that are not admitted yet are answered too. Default false. */
  readonly beforeAdmission?: boolean
}

/** Whether a peer may take part; false, or a rejection, disconnects it. May open streams to it: it is connected already. */
export type Admit = (
  connection: PeerConnection,
  options: { readonly signal: AbortSignal },
) => Promise<boolean>

/** Two peers that have just met: their ids as TLS or noise has proved them, and who has dialled whom. */
export interface Meeting {
  readonly self: PeerId
  readonly peer: PeerId
  readonly role: 'dialer' | 'listener'
}

/**
 * Of a private swarm: what a host asks of every new connection before anything else of it exists, on a stream that is for
 * nothing else. A connection whose peer does not prove itself is closed, and no protocol has answered it.
 */
export interface Membership {
  /**
   * True when the peer has proved that it belongs here; false when it came for something else, has got it, and has to go.
   * @throws CatalogError PEER_REFUSED, or what the stream throws: the peer does not belong here
   */
  prove(
    stream: ByteStream,
    meeting: Meeting,
    options: { readonly signal: AbortSignal },
  ): Promise<boolean>
  /** What members find each other by on the LAN, where anybody listens. The first is the newest; one at least. */
  readonly lanSeals: () => readonly LanSeal[]
}

/** Makes words for members of what anybody may hear. */
export interface LanSeal {
  /** Small letters and digits; says nothing to who does not have the key. */
  readonly tag: string
  seal(this: void, bytes: Uint8Array): Uint8Array
  /** Undefined for what no member has sealed. */
  open(this: void, sealed: Uint8Array): Uint8Array | undefined
}

/** A connection whose peer has not proved its membership within this time is closed. */
export const MEMBERSHIP_TIMEOUT_MS = 5_000

export interface Host {
  readonly id: PeerId
  start(): Promise<void>
  stop(): Promise<void>
  /** Multiaddrs on which others can reach us, each ending in our peer id. */
  addresses(): readonly string[]
  /** What does not work just now though it should, in words for people. */
  problems(): readonly string[]
  network(): NetworkState
  /** One entry per peer: its best connection. */
  peers(): readonly PeerConnection[]
  isConnected(peer: PeerId): boolean
  /** Of a peer that is connected, or was connected or refused a moment ago. */
  groupOf(peer: PeerId): AddressGroup | undefined
  /**
   * Connects to a peer id that we have addresses for, or to a multiaddr.
   * @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED (banned, or not admitted)
   */
  connect(target: string, options: { signal: AbortSignal }): Promise<PeerId>
  /** It is not dialled again for some minutes unless asked for, or `mayReturn` is set. */
  disconnect(peer: PeerId, options?: { readonly mayReturn?: boolean }): Promise<void>
  /** @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED (protocol unknown there) */
  open(peer: PeerId, protocol: string, options: { signal: AbortSignal }): Promise<ByteStream>
  /** Handlers own their stream; one that throws or rejects has its stream aborted. */
  handle(
    protocol: string,
    handler: (stream: ByteStream) => void | Promise<void>,
    options: HandleOptions,
  ): void
  /** Multiaddrs of a peer that others could dial, as that peer says them (signed where the transport can). */
  addressesOf(peer: PeerId): Promise<readonly string[]>
  /**
   * Remembers addresses of a peer that we may dial later. They are claims: the handshake proves the id. `source` is the
   * remote address of the connection over which they were said: nobody makes us dial into a network that they are not in.
   */
  learnAddresses(peer: PeerId, addresses: readonly string[], source: string): Promise<void>
  /** Asked before each connection, in and out, with where it comes from; a peer that is denied is also disconnected. */
  setGate(isDenied: (peer: PeerId, group?: AddressGroup) => boolean): void
  /**
   * Asked once per peer, after the handshake of its first connection; everyone is admitted unless this is set, before the
   * start. Until it has answered, at most 10 s, the peer is not among `peers()`, no event tells of it, `connect` waits, and
   * streams that the peer opens wait for their handler.
   */
  setAdmission(admit: Admit): void
  onEvent(listener: (event: HostEvent) => void): () => void
  /** The DHT, where there is one. */
  readonly routing: Routing | undefined
}

export interface Provider {
  readonly peer: PeerId
  readonly addresses: readonly string[]
  /** The remote address of the connection over which a DHT server has named it; empty when that is gone. */
  readonly source: string
}

export interface Routing extends ContentRouting, ValueRouting {}

/** Provider records under a sha2-512 key. All of it is slow, background work. */
export interface ContentRouting {
  /** Publishes a provider record for the 64 bytes of a digest. */
  provide(key: Uint8Array, options: { signal: AbortSignal }): Promise<void>
  /** Stops re-announcing it and drops the local record; remote records expire by themselves. */
  withdraw(key: Uint8Array): Promise<void>
  findProviders(key: Uint8Array, options: { signal: AbortSignal }): AsyncIterable<Provider>
}

/** So long a server keeps a value after it was put: what kad-dht does (PROVIDERS_VALIDITY there). */
export const VALUE_LIFETIME_MS = 48 * 60 * 60 * 1000

/** What values of one kind, under keys of one prefix, have in common. */
export interface ValueKind {
  /** Keys are `/<prefix>/<id>`: small letters, digits and hyphens. */
  readonly prefix: string
  /** @throws when this is no value for this key; asked before a value is stored, for others too, and before it is returned */
  validate(key: string, value: Uint8Array): void | Promise<void>
  /** The index of the best of these, all valid and at least one. */
  select(key: string, values: readonly Uint8Array[]): number
}

/**
 * Small values (8 KiB at most) that replace each other under one key, such as signed heads. Servers forget a value after two days (VALUE_LIFETIME_MS) unless it is put again.
 */
export interface ValueRouting {
  /** Values of this kind are stored for others from now on. Before the host starts. */
  acceptValues(kind: ValueKind): void
  /** @throws CatalogError PEER_UNREACHABLE when no peer takes it; what `validate` throws; Error for a key of no kind */
  putValue(key: string, value: Uint8Array, options: { signal: AbortSignal }): Promise<void>
  /**
   * The best of what some servers have (ENOUGH_ANSWERS), as soon as they have answered; then each better one; at the end the best of
   * all, with all who have it. There may be a better one that none of those asked has. Nothing when nobody has any.
   * @throws Error for a key of no kind; `signal.reason`
   */
  findValue(key: string, options: { signal: AbortSignal }): AsyncIterable<FoundValue>
}

/** So many servers must lie together to have an old value believed for a moment by somebody who knows none. */
export const ENOUGH_ANSWERS = 3

/** The best value that was found under a key. */
export interface FoundValue {
  readonly value: Uint8Array
  /** For how long servers have had this very value since it was put last, milliseconds, as each of them says. */
  readonly heldMs: readonly number[]
}
