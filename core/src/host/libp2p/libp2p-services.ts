/**
 * The libp2p node as this project wants it: transports, muxer, limits and services from the `network` options. Everything
 * that is slow (UPnP, relay search) libp2p does in the background after its start.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import {
  circuitRelayServer,
  circuitRelayTransport,
  type CircuitRelayService,
} from '@libp2p/circuit-relay-v2'
import { identify, identifyPush } from '@libp2p/identify'
import type {
  ComponentLogger,
  ConnectionGater,
  Logger,
  MultiaddrResolver,
  PeerInfo,
  PrivateKey,
  Transport,
} from '@libp2p/interface'
import { kadDHT, passthroughMapper, type KadDHT } from '@libp2p/kad-dht'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Datastore } from 'interface-datastore'
import { createLibp2p, type Libp2p, type Libp2pOptions, type ServiceFactoryMap } from 'libp2p'
import { compareAddresses } from './addresses/address-order.ts'
import type { ConnectionGuard } from './admission/connection-guard.ts'
import type { MembershipGate } from './admission/membership-gate.ts'
import { connectionLimits } from './admission/connection-limits.ts'
import { createDhtDiscovery, type DhtDiscovery } from './dht/dht-discovery.ts'
import type { Listening, NetworkOptions } from './listen-addresses.ts'
import type { OwnAddresses } from './addresses/own-addresses.ts'
import { withPacedWalks, type Believed } from './dht/paced-walks.ts'
import type { QuicListenerDependencies } from './quic/quic-listener.ts'
import { quicTransport, type Quic } from './quic/quic-transport.ts'
import { SilentConnections } from './silent-connections.ts'

export const DHT_PROTOCOL = '/catalog/kad/1.0.0'

const DAY_MS = 24 * 60 * 60 * 1000
/** libp2p forgets addresses after an hour; a machine that was off for the night wants its peers back. */
const ADDRESS_MEMORY_MS = 7 * DAY_MS
const PEER_MEMORY_MS = 30 * DAY_MS
/** What a relay passes on for a pair of peers. libp2p's 128 KiB in 2 minutes would end in the middle of a first tarball. */
const RELAY_MAX_BYTES = 256n * 1024n * 1024n
const RELAY_MAX_MS = 30 * 60 * 1000
const RELAY_RESERVATIONS = 128

export interface NodeParts {
  readonly privateKey: PrivateKey
  readonly datastore: Datastore
  readonly gater: ConnectionGater
  readonly resolvers: Record<string, MultiaddrResolver>
  readonly guard: ConnectionGuard
  /** Of a private swarm. */
  readonly gate: MembershipGate | undefined
  /** Undefined: without QUIC. */
  readonly quic: Quic | undefined
  readonly quicDeps: QuicListenerDependencies
  readonly network: NetworkOptions
  readonly listening: Listening
  readonly own: OwnAddresses
  /** Of addresses that the DHT tells, those to believe. */
  readonly believed: Believed
}

/** Which services there are depends on the options. */
type Services = {
  identify: unknown
  identifyPush: unknown
  ping: Ping
  dht?: KadDHT
  relay?: CircuitRelayService
  upnp?: unknown
}

export interface LibP2PNode {
  readonly libp2p: Libp2p
  readonly relay: CircuitRelayService | undefined
  readonly dht: KadDHT | undefined
  /** Of whom the DHT tells. */
  onDhtPeer(listener: (peer: PeerInfo) => void): void
}

/** A node that is not started. */
export async function createNode(parts: NodeParts): Promise<LibP2PNode> {
  const { network, listening, own, guard, gate } = parts
  const tcpTransport = tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })
  const muxer = new SilentConnections(parts.quicDeps.clock).muxers(
    yamux({ enableKeepAlive: false, streamOptions: { maxStreamWindowSize: 8 * 1024 * 1024 } }),
  )
  const peer = parts.privateKey.publicKey.toString()
  const discovery = createDhtDiscovery()
  const options: Libp2pOptions<Services> = {
    start: false,
    privateKey: parts.privateKey,
    nodeInfo: { name: 'catalog-p2p', version: '1' },
    addresses: {
      listen: [...listening.addresses, ...(network.relayClient ? ['/p2p-circuit'] : [])],
      announce: [...network.announceAddresses],
      announceFilter: (verified) =>
        network.announceAddresses.length > 0 ? verified : own.announced(verified, peer),
    },
    transports: [
      ...(parts.quic ? [guarding(quic(parts, parts.quic), guard)] : []),
      ...(network.tcp ? [guarding(tcpTransport, guard)] : []),
      ...(network.relayClient ? [circuitRelayTransport()] : []),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [gate === undefined ? muxer : gate.muxers(muxer)],
    connectionManager: connectionLimits({
      maxConnections: network.maxConnections,
      addressSorter: (a, b) =>
        compareAddresses(a.multiaddr, b.multiaddr, (ip) => own.networksOf(ip).size > 0),
      resolvers: parts.resolvers,
    }),
    // silent-connections.ts does it.
    connectionMonitor: { enabled: false },
    connectionGater: parts.gater,
    peerStore: { maxAddressAge: ADDRESS_MEMORY_MS, maxPeerAge: PEER_MEMORY_MS },
    services: await services(parts, discovery),
    logger: SILENT,
    datastore: parts.datastore,
  }
  const libp2p = await createLibp2p(options)
  // Before libp2p's own listeners: a peer that has to leave at once is never announced.
  libp2p.addEventListener('connection:open', ({ detail }) => guard.opened(detail))
  libp2p.addEventListener('connection:close', ({ detail }) => guard.closed(detail))
  const { dht, relay } = libp2p.services
  return { libp2p, dht, relay, onDhtPeer: (listener) => discovery.onPeer(listener) }
}

function quic(
  { listening, quicDeps, gate }: NodeParts,
  create: Quic,
): ReturnType<typeof quicTransport> {
  const transport = quicTransport(create, listening.families, quicDeps)
  return gate === undefined ? transport : (components) => gate.transport(transport(components))
}

function guarding<Components, Kind extends Transport>(
  create: (components: Components) => Kind,
  guard: ConnectionGuard,
): (components: Components) => Kind {
  return (components) => guard.guarded(create(components))
}

async function services(
  { network, believed, quicDeps: { clock } }: NodeParts,
  discovery: DhtDiscovery,
): Promise<ServiceFactoryMap<Services>> {
  const chosen: ServiceFactoryMap<Services> = {
    identify: identify({ runOnLimitedConnection: true }),
    identifyPush: identifyPush({ runOnLimitedConnection: true }),
    ping: ping(),
  }
  if (network.dht)
    chosen.dht = dht(network, (service) =>
      discovery.detach(withPacedWalks(service, { clock, believed })),
    )
  if (network.relayServer) chosen.relay = relay()
  // Of no use on loopback, and it would talk to the world. It maps no port of a router that is behind NAT itself; what it has
  // mapped needs no one else to confirm it (docs/decisions/0010-no-autonat.md).
  if (network.upnp && !network.loopbackOnly) {
    // With the XML that routers speak it is a lot to load, and off by default.
    const { uPnPNAT } = await import('@libp2p/upnp-nat')
    chosen.upnp = uPnPNAT({ autoConfirmAddress: true })
  }
  return chosen
}

function relay(): ReturnType<typeof circuitRelayServer> {
  return circuitRelayServer({
    reservations: {
      maxReservations: RELAY_RESERVATIONS,
      defaultDataLimit: RELAY_MAX_BYTES,
      defaultDurationLimit: RELAY_MAX_MS,
    },
    maxInboundHopStreams: 256,
    maxOutboundStopStreams: 256,
  })
}

/** The DHT as our nodes have it. */
export function dht(
  network: Pick<NetworkOptions, 'bootstrapServer'>,
  adapt: (service: KadDHT) => KadDHT,
): ReturnType<typeof kadDHT> {
  const create = kadDHT({
    protocol: DHT_PROTOCOL,
    // Explicit, so that kad-dht does not take any public interface address for reachability: reachability.ts switches it.
    clientMode: !network.bootstrapServer,
    // Private addresses stay in: whole companies are behind them, and a peer that can't reach one loses a second in the background.
    peerInfoMapper: passthroughMapper,
    // A node alone must not wait for peers that may never come.
    allowQueryWithZeroPeers: true,
    // Re-announcing is discovery's business; this only clears what has expired.
    reprovide: { concurrency: 1, threshold: 0 },
    maxInboundStreams: 64,
  })
  return (components) => adapt(create(components))
}

const silent: Logger = Object.assign(() => undefined, {
  enabled: false,
  error: () => undefined,
  trace: () => undefined,
  newScope: () => silent,
})
const SILENT: ComponentLogger = { forComponent: () => silent }
