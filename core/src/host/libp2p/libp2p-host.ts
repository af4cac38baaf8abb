/**
 * The real Host: libp2p with QUIC first and TCP second, on IPv6 and IPv4. This file keeps the port's promises (events, gate,
 * errors in our terms); the node itself (libp2p-node.ts) is loaded when it starts. Starting waits for nothing on the network.
 */
import type { Connection, PrivateKey } from '@libp2p/interface'
import { isMultiaddr } from '@multiformats/multiaddr'
import { CatalogError } from '../../errors.ts'
import { addressGroup, type AddressGroup } from '../../limits/address-group.ts'
import { bestConnection, toPeerConnections } from './best-connection.ts'
import { toldAddresses } from './dial.ts'
import { Admission } from '../admission.ts'
import {
  OFFLINE,
  type Admit,
  type ByteStream,
  type HandleOptions,
  type HostEvent,
  type NetworkState,
  type PeerConnection,
  type PeerId,
} from '../host.ts'
import { loadIdentity } from './identity.ts'
import { isAddressInUse, toHostError } from './libp2p-errors.ts'
import type { BuiltNode } from './libp2p-node.ts'
import type {
  Libp2pHost,
  Libp2pHostDependencies,
  Libp2pHostOptions,
} from './libp2p-host-options.ts'
import { raceSignal } from '../../timing/race-signal.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { PeerGate, type IsDenied } from './admission/peer-gate.ts'
import { InboundProtocols, MAX_OUTBOUND_STREAMS } from './inbound-protocols.ts'
import { parsePeer, parseTarget, peerOf } from './addresses/peer-addresses.ts'
import { createDhtRouting, type DhtRouting } from './dht/dht-routing.ts'
import { createStreamRegistry, type StreamHandler, type StreamOrigin } from './stream-registry.ts'

const OPEN_TIMEOUT_MS = 10_000
/** Nothing waits longer for a connection, whatever the caller's signal says. */
const CONNECT_TIMEOUT_MS = 15_000
const MAX_LEARNED_ADDRESSES = 16
const MAX_START_TRIES = 4

export function createLibp2pHost(
  deps: Libp2pHostDependencies,
  options: Libp2pHostOptions,
): Libp2pHost {
  return new LibP2PHost(deps, options)
}

class LibP2PHost implements Libp2pHost {
  readonly routing: DhtRouting | undefined
  readonly #deps: Libp2pHostDependencies
  readonly #options: Libp2pHostOptions
  readonly #listeners = new Set<(event: HostEvent) => void>()
  readonly #streams: ReturnType<typeof createStreamRegistry>
  readonly #gate = new PeerGate()
  readonly #admission: Admission
  readonly #protocols: InboundProtocols
  #identity: PrivateKey | undefined
  #node: BuiltNode | undefined
  #starting: Promise<void> | undefined

  constructor(deps: Libp2pHostDependencies, options: Libp2pHostOptions) {
    this.#deps = deps
    this.#options = options
    this.#streams = createStreamRegistry(deps)
    this.#admission = new Admission({
      ...deps,
      connectionOf: (peer) => this.#peerConnections(peer)[0],
      onAdmitted: (peer) => this.#emit({ type: 'connected', peer }),
      onLeft: (peer) => this.#emit({ type: 'disconnected', peer }),
      onRefused: (peer) => this.#node?.disconnect(peer),
    })
    this.#protocols = new InboundProtocols({
      ...{ log: deps.log, streams: this.#streams, admission: this.#admission },
      originOf: (connection) => this.#originOf(connection),
      libp2p: () => this.#node?.libp2p,
    })
    this.routing = options.network.dht
      ? createDhtRouting({
          clock: deps.clock,
          self: () => this.id,
          dht: () => this.#node?.dht,
          addressOf: (peer) => this.#bestConnection(peer)?.remoteAddr.toString(),
        })
      : undefined
  }

  /** Reads the identity, or makes one, when it is asked for first. */
  get id(): PeerId {
    return this.#key().publicKey.toString()
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async stop(): Promise<void> {
    // A start that fails cleans up behind itself.
    await this.#starting?.catch(() => undefined)
    const node = this.#node
    if (node === undefined) return
    this.#node = undefined
    this.#streams.abortAll(new CatalogError('NODE_STOPPED', 'the host has stopped'))
    await node.stop()
    // libp2p is silent about what it closes itself.
    for (const peer of this.#admission.admitted) this.#admission.disconnected(peer)
  }

  addresses(): readonly string[] {
    return this.#node?.libp2p.getMultiaddrs().map(String) ?? []
  }

  network = (): NetworkState => this.#node?.network ?? OFFLINE

  problems(): readonly string[] {
    return this.#node?.problems ?? []
  }

  get unreadBytes(): number {
    return this.#streams.unreadBytes
  }

  peers(): readonly PeerConnection[] {
    return this.#admission.among(() => this.#peerConnections())
  }

  groupOf(peer: PeerId): AddressGroup | undefined {
    const connection = this.#bestConnection(peer)
    return connection ? this.#groupOf(connection) : this.#gate.groupOf(peer)
  }

  isConnected(peer: PeerId): boolean {
    return this.#admission.has(peer) && this.#bestConnection(peer) !== undefined
  }

  async connect(target: string, { signal }: { signal: AbortSignal }): Promise<PeerId> {
    signal.throwIfAborted()
    const node = this.#running()
    const to = parseTarget(target)
    const peer = isMultiaddr(to) ? peerOf(to) : target
    if (peer !== undefined) {
      this.#throwIfDenied(peer)
      if (this.isConnected(peer)) return peer
    }
    const bounded = AbortSignal.any([signal, timeoutSignal(this.#deps.clock, CONNECT_TIMEOUT_MS)])
    try {
      const reached = await node.dial(target, bounded)
      if (await raceSignal(this.#admission.isAdmitted(reached), bounded)) return reached
    } catch (error) {
      throw toHostError(error, target, signal)
    }
    throw new CatalogError('PEER_REFUSED', 'the peer is not admitted', { peer: target })
  }

  async disconnect(peer: PeerId, { mayReturn = false } = {}): Promise<void> {
    this.#node?.disconnect(peer, mayReturn)
  }

  async open(
    peer: PeerId,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<ByteStream> {
    signal.throwIfAborted()
    this.#throwIfDenied(peer)
    if (this.#bestConnection(peer) === undefined) await this.connect(peer, { signal })
    const connection = this.#bestConnection(peer)
    if (connection === undefined) {
      throw new CatalogError('PEER_UNREACHABLE', 'connection lost while opening a stream', { peer })
    }
    const bounded = AbortSignal.any([signal, timeoutSignal(this.#deps.clock, OPEN_TIMEOUT_MS)])
    const opening = connection.newStream([protocol], {
      signal: bounded,
      runOnLimitedConnection: true,
      maxOutboundStreams: MAX_OUTBOUND_STREAMS,
    })
    try {
      const stream = await raceSignal(opening, bounded, (late) => late.abort(new Error('too late')))
      return this.#streams.adopt(stream, { peer, group: this.#groupOf(connection) })
    } catch (error) {
      throw toHostError(error, peer, signal)
    }
  }

  handle(protocol: string, handler: StreamHandler, options: HandleOptions): void {
    this.#protocols.handle(protocol, handler, options)
  }

  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    return await toldAddresses(this.#running().libp2p, peer)
  }

  async learnAddresses(peer: PeerId, addresses: readonly string[], source: string): Promise<void> {
    if (peer === this.id) return
    await this.#running().learn(peer, addresses.slice(0, MAX_LEARNED_ADDRESSES), source)
  }

  setGate(isDenied: IsDenied): void {
    this.#gate.set(isDenied)
    const denied = this.#peerConnections().filter(({ peer, group }) => isDenied(peer, group))
    for (const { peer } of denied) this.#node?.disconnect(peer)
  }

  setAdmission(admit: Admit): void {
    this.#admission.set(admit)
  }

  onEvent(listener: (event: HostEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A port is looked for, then listened on; in between another program may take it. */
  async #start(): Promise<void> {
    for (let tries = 1; this.#node === undefined; tries += 1) {
      try {
        await this.#startOnce()
      } catch (error) {
        if (tries >= MAX_START_TRIES || !isAddressInUse(error)) throw error
      }
    }
  }

  async #startOnce(): Promise<void> {
    const { buildLibp2pNode } = await import('./libp2p-node.ts')
    const node = await buildLibp2pNode(
      {
        ...this.#deps,
        privateKey: this.#key(),
        groupOf: (peer) => this.groupOf(peer),
        isDenied: (peer, group) => this.#gate.denies(peer, group),
        onEvent: ({ type, peer }) => this.#admission[type](peer),
      },
      this.#options,
    )
    // Set before it starts: the first peer may connect while it does.
    this.#node = node
    if (node.dht) this.routing?.attach(node.dht)
    try {
      await this.#protocols.registerAll(node.libp2p)
      await node.start()
    } catch (error) {
      this.#node = undefined
      await node.stop()
      throw error
    }
  }

  #key(): PrivateKey {
    return (this.#identity ??= loadIdentity(this.#options.path, this.#deps.log))
  }

  #running(): BuiltNode {
    if (this.#node === undefined) throw new CatalogError('NODE_STOPPED', 'the host is not running')
    return this.#node
  }

  #throwIfDenied(peer: PeerId): void {
    if (!this.#gate.denies(peer, this.groupOf(peer))) return
    void this.disconnect(peer)
    throw new CatalogError('PEER_REFUSED', 'peer is banned', { peer })
  }

  #bestConnection(peer: PeerId): Connection | undefined {
    return bestConnection(this.#node?.libp2p.getConnections(parsePeer(peer)) ?? [])
  }

  /** Where a stream comes from; undefined when the gate denies the peer, which is left then. */
  #originOf(connection: Connection): StreamOrigin | undefined {
    const peer = connection.remotePeer.toString()
    const group = this.#groupOf(connection)
    if (!this.#gate.denies(peer, group)) return { peer, group }
    this.#node?.disconnect(peer)
    return undefined
  }

  #groupOf({ remoteAddr, remotePeer }: Connection): AddressGroup {
    const peer = remotePeer.toString()
    return this.#node?.limits.groupOf(remoteAddr, peer) ?? addressGroup(remoteAddr.toString())
  }

  /** All, or those with one peer; one entry per peer. */
  #peerConnections(peer?: PeerId): PeerConnection[] {
    if (this.#node === undefined) return []
    const { libp2p, limits } = this.#node
    return toPeerConnections(
      libp2p.getConnections(peer === undefined ? undefined : parsePeer(peer)),
      limits.groupOf,
    )
  }

  #emit(event: HostEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
