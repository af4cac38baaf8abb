/**
 * The in-memory Host: the reference for the contract suite, and what tests build swarms of. Connections and streams are
 * objects in one process with latency, loss and faults on demand (memory-network.ts). Production code never imports it.
 */
import { CatalogError } from '../errors.ts'
import type { AddressGroup } from '../limits/address-group.ts'
import { silentLogger } from '../log.ts'
import { Admission } from './admission.ts'
import {
  OFFLINE,
  type Admit,
  type ByteStream,
  type HandleOptions,
  type Host,
  type HostEvent,
  type NetworkState,
  type PeerConnection,
  type PeerId,
  type Routing,
} from './host.ts'
import {
  addressOf,
  MemoryNetworkState,
  peerOf,
  type MemoryFaults,
  type MemoryNetworkOptions,
  type NetworkMember,
} from './memory-network.ts'
import { raceSignal } from '../timing/race-signal.ts'
import { createMemoryRouting } from './memory-routing.ts'
import {
  createMemoryStreamPair,
  runHandler,
  type MemoryHandler,
  type MemoryStream,
} from './memory-stream.ts'

export type { MemoryFaults, MemoryNetworkOptions } from './memory-network.ts'

export interface MemoryNetwork extends MemoryFaults {
  /** A host that is not started yet. `name` becomes its peer id. */
  createHost(name?: string): Host
}

export function createMemoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  const network = new Network(options)
  return network
}

class Network extends MemoryNetworkState<MemoryHost> implements MemoryNetwork {
  readonly #withRouting: boolean

  constructor(options: MemoryNetworkOptions) {
    super(options)
    this.#withRouting = options.routing ?? true
  }

  createHost(name = `peer-${this.members.size + 1}`): Host {
    if (this.members.has(name)) throw new Error(`this network has a host named ${name} already`)
    const host = new MemoryHost(this, name, this.#withRouting)
    this.members.set(name, host)
    return host
  }
}

/** One end's view of a connection. The two ends live and die together. */
interface Link {
  readonly view: PeerConnection
  readonly other: MemoryHost
  readonly streams: Set<MemoryStream>
}

class MemoryHost implements Host, NetworkMember {
  readonly id: PeerId
  readonly routing: Routing | undefined
  readonly #network: Network
  readonly #links = new Map<PeerId, Link>()
  readonly #handlers = new Map<string, MemoryHandler>()
  readonly #inboundStreams = new Map<string, number>()
  readonly #listeners = new Set<(event: HostEvent) => void>()
  readonly #admission: Admission
  #isDenied: (peer: PeerId, group?: AddressGroup) => boolean = () => false
  #isRunning = false

  constructor(network: Network, id: PeerId, withRouting: boolean) {
    this.#network = network
    this.id = id
    this.#admission = new Admission({
      ...{ clock: network.clock, log: silentLogger },
      connectionOf: (peer) => this.#links.get(peer)?.view,
      onAdmitted: (peer) => this.#emit({ type: 'connected', peer }),
      onLeft: (peer) => this.#emit({ type: 'disconnected', peer }),
      onRefused: (peer) => this.drop(peer),
    })
    this.routing = withRouting
      ? createMemoryRouting({
          table: network.table,
          clock: network.clock,
          self: id,
          addressesOf: (peer) => [addressOf(peer)],
          isRunning: () => this.#isRunning,
        })
      : undefined
  }

  async start(): Promise<void> {
    this.#isRunning = true
  }

  async stop(): Promise<void> {
    this.drop(undefined, new CatalogError('NODE_STOPPED', 'the host has stopped'))
    this.#isRunning = false
  }

  isRunning(): boolean {
    return this.#isRunning
  }

  network(): NetworkState {
    return OFFLINE
  }

  problems(): readonly string[] {
    return []
  }

  addresses(): readonly string[] {
    return this.#isRunning ? [addressOf(this.id)] : []
  }

  peers(): readonly PeerConnection[] {
    const all = [...this.#links.values()].map((link) => link.view)
    return all.filter(({ peer }) => this.#admission.has(peer))
  }

  isConnected(peer: PeerId): boolean {
    return this.#links.has(peer) && this.#admission.has(peer)
  }

  groupOf(peer: PeerId): AddressGroup {
    return this.#network.groupOf(peer)
  }

  async connect(target: string, { signal }: { signal: AbortSignal }): Promise<PeerId> {
    signal.throwIfAborted()
    this.#throwIfStopped()
    const peer = peerOf(target)
    if (this.isConnected(peer)) return peer
    if (this.#isDenied(peer)) throw new CatalogError('PEER_REFUSED', 'peer is banned', { peer })
    await this.#wait(2 * this.#network.latencyBetween(this.id, peer), signal)
    const other = this.#network.reachable(this.id, peer)
    if (other === undefined || peer === this.id || other.#isDenied(this.id)) {
      throw new CatalogError('PEER_UNREACHABLE', 'no answer to the dial', { peer })
    }
    // Both may have dialled at once: the first to get here made the connection.
    if (!this.#links.has(peer)) {
      other.#addLink(this, 'inbound')
      this.#addLink(other, 'outbound')
    }
    if (await raceSignal(this.#admission.isAdmitted(peer), signal)) return peer
    throw new CatalogError('PEER_REFUSED', 'the peer is not admitted', { peer })
  }

  async disconnect(peer: PeerId): Promise<void> {
    this.drop(peer)
  }

  async open(
    peer: PeerId,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<ByteStream> {
    if (this.#isDenied(peer)) this.drop(peer)
    if (!this.#links.has(peer)) await this.connect(peer, { signal })
    await this.#wait(2 * this.#network.latencyBetween(this.id, peer), signal)
    const link = this.#links.get(peer)
    if (link === undefined) {
      throw new CatalogError('PEER_UNREACHABLE', 'connection lost while opening a stream', { peer })
    }
    if (link.other.#isDenied(this.id)) {
      this.drop(peer)
      throw new CatalogError('PEER_UNREACHABLE', 'the peer closed the connection', { peer })
    }
    const handler = link.other.#handlers.get(protocol)
    if (handler === undefined) {
      throw new CatalogError('PEER_REFUSED', `the peer does not speak ${protocol}`, { peer })
    }
    return this.#openPair(link, protocol, handler)
  }

  handle(
    protocol: string,
    handler: (stream: ByteStream) => void | Promise<void>,
    options: HandleOptions,
  ): void {
    this.#handlers.set(protocol, { run: handler, options })
  }

  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#network.members.has(peer) ? [addressOf(peer)] : []
  }

  async learnAddresses(): Promise<void> {
    // An in-memory peer id is its address: there is nothing to remember.
  }

  setGate(isDenied: (peer: PeerId, group?: AddressGroup) => boolean): void {
    this.#isDenied = (peer) => isDenied(peer, this.groupOf(peer))
    for (const peer of [...this.#links.keys()]) {
      if (this.#isDenied(peer)) this.drop(peer)
    }
  }

  setAdmission(admit: Admit): void {
    this.#admission.set(admit)
  }

  onEvent(listener: (event: HostEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  drop(
    peer?: PeerId,
    ownError: Error = new CatalogError('PEER_UNREACHABLE', 'the connection was closed'),
  ): void {
    for (const [id, link] of [...this.#links]) {
      if (peer !== undefined && id !== peer) continue
      this.#removeLink(id, ownError)
      link.other.#removeLink(
        this.id,
        new CatalogError('PEER_UNREACHABLE', 'the connection was lost', { peer: this.id }),
      )
    }
  }

  #addLink(other: MemoryHost, direction: PeerConnection['direction']): void {
    const view: PeerConnection = {
      peer: other.id,
      address: addressOf(other.id),
      group: this.groupOf(other.id),
      direction,
      transport: 'memory',
      connectedAtMs: this.#network.clock.epochMs(),
    }
    this.#links.set(other.id, { view, other, streams: new Set() })
    this.#admission.connected(other.id)
  }

  #removeLink(peer: PeerId, error: Error): void {
    const link = this.#links.get(peer)
    if (link === undefined) return
    this.#links.delete(peer)
    for (const stream of [...link.streams]) stream.fail(error)
    this.#admission.disconnected(peer)
  }

  #openPair(link: Link, protocol: string, handler: MemoryHandler): ByteStream {
    const { other } = link
    const otherLink = other.#links.get(this.id)
    if (otherLink === undefined) throw new Error('a connection has two ends')
    const slot = `${protocol} ${this.id}`
    const { local, remote } = createMemoryStreamPair({
      protocol,
      clock: this.#network.clock,
      maxInboundBytes: this.#network.maxInboundBytes,
      local: { peer: other.id, link: this.#network.link(this.id, other.id) },
      remote: { peer: this.id, link: this.#network.link(other.id, this.id) },
      onClosed: () => {
        link.streams.delete(local)
        otherLink.streams.delete(remote)
        other.#inboundStreams.set(slot, (other.#inboundStreams.get(slot) ?? 1) - 1)
      },
    })
    link.streams.add(local)
    otherLink.streams.add(remote)
    const openNow = (other.#inboundStreams.get(slot) ?? 0) + 1
    other.#inboundStreams.set(slot, openNow)
    if (openNow > handler.options.maxStreamsPerPeer) {
      remote.abort(new CatalogError('PEER_BUSY', `more than ${openNow - 1} streams of ${protocol}`))
    } else {
      const run = other.#admission.guard(this.id, handler.run, handler.options)
      queueMicrotask(() => void runHandler(run, remote))
    }
    return local
  }

  #emit(event: HostEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await this.#network.wait(ms, signal)
    this.#throwIfStopped()
  }

  #throwIfStopped(): void {
    if (!this.#isRunning) throw new CatalogError('NODE_STOPPED', 'the host is not running')
  }
}
