/**
 * A network of libp2p's own DHT nodes, set up as ours are, in one process: only what is beneath them is made up, which is streams
 * that take time, and a directory in place of each node's peer store. What a round trip costs is counted as QUIC and
 * multistream-select have it: one to connect, one to agree on the protocol of a stream, one for a request.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import {
  start,
  stop,
  TypedEventEmitter,
  type ComponentLogger,
  type Connection,
  type Libp2pEvents,
  type Logger,
  type Peer,
  type PeerId,
  type PeerInfo,
  type Stream,
  type StreamHandler,
  type Topology,
} from '@libp2p/interface'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import type { Uint8ArrayList } from 'uint8arraylist'
import { dht } from '../../core/src/host/libp2p/libp2p-services.ts'
import { raceSignal } from '../../core/src/timing/race-signal.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface RoundTrips {
  /** Milliseconds. */
  readonly rttMs: number
  /** To connect to a peer. */
  readonly toConnect: number
  /** Before a stream carries its first message. */
  readonly toOpen: number
}

export interface DhtNode {
  readonly id: PeerId
  readonly dht: KadDHT
  /** Streams that it has opened so far. */
  readonly requests: number
  /** Tells it of a peer that it is connected with: it comes into the routing table. */
  meet(peer: PeerId): void
  /** Its connections are gone. */
  disconnect(): void
  /** It answers nothing any more. */
  vanish(): void
  stop(): Promise<void>
}

export interface DhtNetwork {
  /** A client answers no queries. */
  add(options: {
    readonly isServer: boolean
    readonly attach?: (dht: KadDHT) => void
  }): Promise<DhtNode>
}

export function createDhtNetwork(time: VirtualTime, trips: RoundTrips): DhtNetwork {
  const members = new Map<string, Member>()
  return {
    async add({ isServer, attach }) {
      const privateKey = await generateKeyPair('Ed25519')
      const member = new Member(
        { time, trips, members },
        members.size,
        peerIdFromPrivateKey(privateKey),
      )
      members.set(member.id.toString(), member)
      const create = dht({ bootstrapServer: isServer }, (service) => service)
      const components = { ...member.components(), privateKey }
      const service = create(components as KadDHTComponents)
      attach?.(service)
      await member.start(service)
      return member
    },
  }
}

interface Shared {
  readonly time: VirtualTime
  readonly trips: RoundTrips
  readonly members: ReadonlyMap<string, Member>
}

class Member implements DhtNode {
  readonly id: PeerId
  readonly #shared: Shared
  readonly #address: Multiaddr
  readonly #handlers = new Map<string, StreamHandler>()
  readonly #topologies: Topology[] = []
  readonly #connected = new Map<string, Promise<void>>()
  requests = 0
  #dht: KadDHT | undefined
  #isGone = false

  constructor(shared: Shared, index: number, id: PeerId) {
    this.#shared = shared
    this.id = id
    this.#address = multiaddr(
      `/ip4/10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/udp/4875/quic-v1`,
    )
  }

  get dht(): KadDHT {
    if (this.#dht === undefined) throw new Error('not started')
    return this.#dht
  }

  async start(service: KadDHT): Promise<void> {
    this.#dht = service
    // Walks of its own would only be load.
    const { setTimeout } = globalThis
    globalThis.setTimeout = Object.assign((...args: Parameters<typeof setTimeout>) => {
      const timer = setTimeout(...args)
      if ((args[1] ?? 0) >= 1_000) clearTimeout(timer)
      return timer
    }, setTimeout)
    try {
      await start(service)
    } finally {
      globalThis.setTimeout = setTimeout
    }
  }

  async stop(): Promise<void> {
    await stop(this.dht)
  }

  meet(peer: PeerId): void {
    this.#connected.set(peer.toString(), Promise.resolve())
    for (const topology of this.#topologies) void topology.onConnect?.(peer, connectionWith(peer))
  }

  disconnect(): void {
    this.#connected.clear()
  }

  vanish(): void {
    this.#isGone = true
  }

  components(): StandIns {
    const { time, trips } = this.#shared
    return {
      peerId: this.id,
      datastore: new MemoryDatastore(),
      events: new TypedEventEmitter<Libp2pEvents>(),
      logger: SILENT,
      ping: {
        ping: async () => {
          await time.wait(trips.rttMs)
          return trips.rttMs
        },
      },
      addressManager: { getAddresses: () => [this.#address] },
      peerStore: {
        all: async () => [],
        merge: async (id: PeerId) => this.#known(id),
        get: async (id: PeerId) => this.#known(id),
        getInfo: async (id: PeerId): Promise<PeerInfo> => this.#find(id).#info(),
      },
      registrar: {
        handle: async (protocol: string, handler: StreamHandler) =>
          void this.#handlers.set(protocol, handler),
        unhandle: async (protocol: string) => void this.#handlers.delete(protocol),
        register: async (_protocol: string, topology: Topology) => {
          this.#topologies.push(topology)
          return 'id'
        },
        unregister: () => undefined,
      },
      connectionManager: {
        isDialable: async () => true,
        openStream: (peer, protocol, options) =>
          raceSignal(
            this.#open(this.#find(peer), String(protocol)),
            options?.signal ?? new AbortController().signal,
          ),
      },
    }
  }

  #info(): PeerInfo {
    return { id: this.id, multiaddrs: [this.#address] }
  }

  #known(id: PeerId): Peer {
    const { multiaddrs } = this.#find(id).#info()
    return {
      ...{ id, protocols: [], metadata: new Map(), tags: new Map() },
      addresses: multiaddrs.map((each) => ({ multiaddr: each, isCertified: true })),
    }
  }

  #find(peer: { toString(): string }): Member {
    const member = this.#shared.members.get(peer.toString())
    if (member === undefined)
      throw Object.assign(new Error('unknown peer'), { name: 'NotFoundError' })
    return member
  }

  async #open(other: Member, protocol: string): Promise<Stream> {
    const { time, trips } = this.#shared
    this.requests += 1
    if (other.#isGone) return await new Promise<never>(() => undefined)
    const id = other.id.toString()
    const connecting = this.#connected.get(id) ?? time.wait(trips.toConnect * trips.rttMs)
    this.#connected.set(id, connecting)
    await connecting
    await time.wait(trips.toOpen * trips.rttMs)
    const handler = other.#handlers.get(protocol)
    if (handler === undefined) throw new Error(`${protocol} is not answered there`)
    const ours = new TimedStream(this.#shared, protocol, 'outbound')
    const theirs = new TimedStream(this.#shared, protocol, 'inbound')
    ours.remote = theirs
    theirs.remote = ours
    Promise.resolve(handler(theirs, connectionWith(this.id))).catch((error: unknown) => {
      theirs.abort(error instanceof Error ? error : new Error(String(error)))
    })
    return ours
  }
}

/** Of what the DHT is given, what it uses. */
type StandIns = { [Part in keyof KadDHTComponents]?: Partial<KadDHTComponents[Part]> }

/** What is written arrives half a round trip later. */
class TimedStream extends AbstractStream {
  remote: TimedStream | undefined
  readonly #shared: Shared

  constructor(shared: Shared, protocol: string, direction: 'inbound' | 'outbound') {
    super({ id: protocol, protocol, direction, log: silent })
    this.#shared = shared
  }

  #later(action: (remote: TimedStream) => void): void {
    const { time, trips } = this.#shared
    time.after(trips.rttMs / 2, () => {
      if (this.remote?.status === 'open') action(this.remote)
    })
  }

  sendData(data: Uint8ArrayList): SendResult {
    const copy = data.slice()
    this.#later((remote) => remote.onData(copy))
    return { sentBytes: copy.byteLength, canSendMore: true }
  }

  sendReset(): void {
    this.#later((remote) => remote.onRemoteReset())
  }

  async sendCloseWrite(): Promise<void> {
    this.#later((remote) => remote.onRemoteCloseWrite())
  }

  async sendCloseRead(): Promise<void> {
    // the remote need not know
  }

  sendPause(): void {
    // nothing is written faster than it is read
  }

  sendResume(): void {
    // see sendPause
  }
}

/** Nothing but this is asked of it. */
function connectionWith(remotePeer: PeerId): Connection {
  const connection: Pick<Connection, 'remotePeer'> = { remotePeer }
  return connection as Connection
}

const silent: Logger = Object.assign(() => undefined, {
  enabled: false,
  error: () => undefined,
  trace: () => undefined,
  newScope: () => silent,
})
const SILENT: ComponentLogger = { forComponent: () => silent }
