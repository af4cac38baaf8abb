/**
 * The life of the libp2p node behind a host: what is built in which order, what goes on in the background, and how all of it
 * ends. After `stop` nothing is left: no socket, no timer, no open file.
 */
import type { Connection, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Libp2p } from 'libp2p'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError } from '../../errors.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import type { Database } from '../../disk/database.ts'
import { ipScope } from '../address-scope.ts'
import { transportOf } from './addresses/address-order.ts'
import { createAddressRule, type AddressRule } from './addresses/address-rule.ts'
import { createConnectionGater } from './admission/connection-gate.ts'
import { createConnectionGuard } from './admission/connection-guard.ts'
import { createResolvers } from './addresses/dns-resolver.ts'
import { bestConnection } from './best-connection.ts'
import { addressesOf, dial, isConnected } from './dial.ts'
import { upgradeRelayed } from './direct-upgrade.ts'
import type { HostEvent, Membership, NetworkState, PeerId } from '../host.ts'
import type { Libp2pHostOptions } from './libp2p-host-options.ts'
import { believedOfDht, createHearsay, remoteAddresses } from './addresses/hearsay.ts'
import { hostLimits, type HostLimits } from './admission/host-limits.ts'
import { createNode, type LibP2PNode } from './libp2p-services.ts'
import { chooseListening, type Listening, type NetworkOptions } from './listen-addresses.ts'
import { toStartError } from './libp2p-errors.ts'
import { createMembershipGate } from './admission/membership-gate.ts'
import { createNetworkProblems, type NetworkProblems } from './network-problems.ts'
import { createOwnAddresses, type OwnAddresses } from './addresses/own-addresses.ts'
import { findAddress, parseAddress, parsePeer } from './addresses/peer-addresses.ts'
import { createPeerFinder, type PeerFinder } from './peer-finder.ts'
import { openPeers } from './peers-database.ts'
import { createPeerMemory } from './peer-memory.ts'
import { withStopTimeout } from './stop-deadline.ts'
import { applyQuicReadSize } from './quic/quic-read-size.ts'
import { watchReachability } from './addresses/reachability.ts'
import { loadQuic, type Quic } from './quic/quic-transport.ts'

export interface BuiltNode {
  readonly libp2p: Libp2p
  readonly dht: KadDHT | undefined
  readonly limits: HostLimits
  readonly network: NetworkState
  /** What does not work just now, in words for people. */
  readonly problems: readonly string[]
  start(): Promise<void>
  /** To a peer that we have addresses of, or to an address that the user has given. */
  dial(target: string, signal: AbortSignal): Promise<PeerId>
  /** Remembers what is believed of `addresses`, which were said over a connection with this remote address. */
  learn(peer: PeerId, addresses: readonly string[], source: string): Promise<void>
  /** Drops the connections with a peer, and does not dial it again soon unless asked to, or it may return. */
  disconnect(peer: PeerId, mayReturn?: boolean): void
  /** Frees everything, whether it was started or not. Never rejects: there is nothing left to be done about it. */
  stop(): Promise<void>
}

export interface NodeDependencies {
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly privateKey: PrivateKey
  readonly isDenied: (peer: PeerId, group?: AddressGroup) => boolean
  /** Whether an address is on a network of this machine's; looked up unless given. */
  readonly isLocal?: (ip: string) => boolean
  readonly groupOf: (peer: PeerId) => AddressGroup | undefined
  readonly onEvent: (event: HostEvent) => void
  readonly membership?: Membership | undefined
}

/** QUIC is native code: where the platform has none, TCP does the work and the log says so. */
async function withQuicIfThere(
  network: NetworkOptions,
  log: Logger,
): Promise<{ quic: Quic | undefined; network: NetworkOptions }> {
  if (!network.quic) return { quic: undefined, network }
  try {
    const quic = await loadQuic()
    if (!(await applyQuicReadSize())) log.debug('host.quic-reads-small')
    return { quic, network }
  } catch (error) {
    if (!network.tcp) {
      throw new CatalogError('HOST_FAILED', 'QUIC is not available on this platform', {
        cause: error,
        hint: 'leave TCP on, or install again on this machine so that npm picks its binary',
      })
    }
    log.warn('host.quic-unavailable', { platform: process.platform, arch: process.arch, error })
    return { quic: undefined, network: { ...network, quic: false } }
  }
}

/** @throws CatalogError HOST_FAILED, STORE_LOCKED when another process uses the folder, INVALID_OPTIONS */
export async function buildLibp2pNode(
  deps: NodeDependencies,
  options: Libp2pHostOptions,
): Promise<BuiltNode> {
  const { quic, network } = await withQuicIfThere(options.network, deps.log)
  for (const address of [...network.bootstrap, ...network.announceAddresses]) parseAddress(address)
  const self = deps.privateKey.publicKey.toString()
  const path = options.peersPath ?? options.path
  const { database, datastore } = await openPeers(deps, { path, self })
  const closeDatabase = (): void => {
    datastore.close()
    database.close()
  }
  try {
    const listening = await chooseListening(network, deps.log)
    const own = createOwnAddresses(deps, { network, listening })
    const problems = createNetworkProblems()
    const rule = createAddressRule(own)
    const { maxConnections, loopbackOnly } = network
    const isLocal =
      deps.isLocal ?? ((ip: string) => ipScope(ip) === 'loopback' || own.networksOf(ip).size > 0)
    const { isGateway } = own
    const limits = hostLimits({ maxConnections, loopbackOnly, isLocal, isGateway })
    const { membership } = deps
    const proving = { ...deps, self, groupOf: limits.groupOf, limits: limits.handshakes }
    const gate = membership && createMembershipGate({ ...proving, membership })
    let built: LibP2PNode | undefined
    const node = (built = await createNode({
      privateKey: deps.privateKey,
      datastore,
      quic,
      quicDeps: { log: deps.log, clock: deps.clock, problems },
      network,
      listening,
      own,
      gate,
      gater: {
        ...createConnectionGater({
          ...{ isDenied: deps.isDenied, groupOf: limits.groupOf, rule, self },
          families: listening.families,
          ownSockets: () => own.sockets(),
          connectionsOf: (peer) => remoteAddresses(built?.libp2p.getConnections(peer)),
        }),
        ...gate?.gater,
      },
      believed: (addresses) => believedOfDht(rule, built?.libp2p, addresses),
      resolvers: createResolvers(rule, deps.clock),
      guard: createConnectionGuard(limits),
    }))
    return connectParts(deps, {
      ...{ network, listening, own, limits, problems, rule, database, closeDatabase },
      ...node,
    })
  } catch (error) {
    closeDatabase()
    throw toStartError(error)
  }
}

interface Parts extends LibP2PNode {
  readonly network: NetworkOptions
  readonly listening: Listening
  readonly own: OwnAddresses
  readonly limits: HostLimits
  readonly problems: NetworkProblems
  readonly rule: AddressRule
  readonly database: Database
  readonly closeDatabase: () => void
}

function connectParts(deps: NodeDependencies, parts: Parts): BuiltNode {
  const { libp2p, dht, network } = parts
  withStopTimeout(libp2p, deps)
  const memory = createPeerMemory({
    database: parts.database,
    clock: deps.clock,
    vouch: (peer, place) => vouch(parts, peer, place),
  })
  const connections = (): Connection[] => libp2p.getConnections()
  const finder = createPeerFinder(
    {
      log: deps.log,
      clock: deps.clock,
      random: deps.random,
      dial: (target, { signal }) => dial(parts, target, signal),
      remembered: (limit) => memory.remembered(limit),
      isConnected: (peer) => isConnected(libp2p, peer),
      connectedGroups: () => new Set(connections().map((c) => groupOf(parts.limits, c))).size,
      dialledPeers: () => connections().filter((c) => c.direction === 'outbound').length,
    },
    { bootstrap: network.bootstrap, maxConnections: network.maxConnections },
  )
  const hearsay = createHearsay(deps, { ...parts, finder })
  const remember = (peer: PeerId): void => {
    try {
      const place = bestConnection(libp2p.getConnections(parsePeer(peer)))?.remoteAddr
      memory.saw(peer, deps.groupOf(peer) ?? 'unknown', place?.toString())
    } catch (error) {
      deps.log.warn('host.remember-failed', { error })
    }
  }
  watchPeers(deps, { libp2p, remember, finder })
  upgradeRelayed(deps, parts)
  const reachability = watchReachability(deps, parts)

  return {
    libp2p,
    dht,
    limits: parts.limits,
    get network(): NetworkState {
      const relayed = libp2p.getMultiaddrs().filter((one) => transportOf(one) === 'relay')
      return {
        reachedFrom: reachability.from,
        mapped: parts.own.mapped(),
        relayed: relayed.map(String),
        relayReservations: parts.relay?.reservations.size ?? 0,
        dht: dht?.getMode() ?? 'off',
        unmet: finder.unmet,
      }
    },
    get problems() {
      return parts.problems.texts
    },
    async start() {
      try {
        await libp2p.start()
      } catch (error) {
        throw toStartError(error)
      }
      finder.start()
      hearsay.start()
    },
    dial: (target, signal) => dial(parts, target, signal),
    learn: (peer, addresses, source) => hearsay.learn(peer, addresses, source),
    disconnect(peer, mayReturn = false) {
      if (!mayReturn) finder.onLeft(peer)
      for (const connection of libp2p.getConnections(parsePeer(peer))) {
        connection.abort(new Error('left'))
      }
    },
    async stop() {
      reachability.stop()
      await hearsay.stop()
      await finder.stop()
      for (const connection of connections()) remember(connection.remotePeer.toString())
      await libp2p.stop()
      parts.closeDatabase()
    },
  }
}

/** Whether there is an address of it; those that it said at `place` are believed as far as they were then. */
async function vouch(
  { libp2p, rule }: Parts,
  peer: PeerId,
  place: string | undefined,
): Promise<boolean> {
  const said = (await addressesOf(libp2p, peer)).map(({ multiaddr }) => multiaddr)
  const from = place === undefined ? undefined : findAddress(place)
  if (from !== undefined) rule.heardOver([from], said)
  return said.length > 0
}

function groupOf({ groupOf: find }: HostLimits, connection: Connection): AddressGroup {
  return find(connection.remoteAddr, connection.remotePeer.toString())
}

function watchPeers(
  deps: NodeDependencies,
  parts: { libp2p: Libp2p; remember: (peer: PeerId) => void; finder: PeerFinder },
): void {
  const { libp2p, remember, finder } = parts
  libp2p.addEventListener('peer:connect', ({ detail }) => {
    const peer = detail.toString()
    remember(peer)
    deps.onEvent({ type: 'connected', peer })
  })
  libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    const peer = detail.toString()
    if (libp2p.status === 'started') remember(peer)
    finder.onDisconnected()
    deps.onEvent({ type: 'disconnected', peer })
  })
}
