/**
 * The life of the libp2p node behind a host: what is built in which order, what goes on in the background, and how all of it
 * ends. After `stop` nothing is left: no socket, no timer, no open file.
 */
import { join } from 'node:path'
import type { PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { isMultiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { openDatabase, type Database } from '../store/database.ts'
import { transportOf } from './address-order.ts'
import { createAddressRule, type AddressRule } from './address-rule.ts'
import { createConnectionGater } from './connection-gate.ts'
import { createResolvers } from './dns-resolver.ts'
import { SqliteDatastore } from './datastore.ts'
import { upgradeRelayed } from './direct-upgrade.ts'
import type { HostEvent, NetworkState, PeerId } from './host.ts'
import { createHearsay, remoteAddresses } from './hearsay.ts'
import { createNode, type LibP2PNode } from './libp2p-services.ts'
import { chooseListening, type Listening, type NetworkOptions } from './listen-addresses.ts'
import { orAborted } from './or-aborted.ts'
import { createNetworkProblems, type NetworkProblems } from './network-problems.ts'
import { createOwnAddresses, type OwnAddresses } from './own-addresses.ts'
import { parseAddress, parsePeer, parseTarget, peerOf } from './peer-addresses.ts'
import { createPeerFinder, type PeerFinder } from './peer-finder.ts'
import { createPeerMemory, type PeerMemory } from './peer-memory.ts'
import { applyQuicReadSize } from './quic-read-size.ts'
import { watchReachability } from './reachability.ts'
import { loadQuic, type Quic } from './quic-transport.ts'

export const PEERS_FILE = 'peers.sqlite'
const STOP_TIMEOUT_MS = 10_000

export interface BuiltNode {
  readonly libp2p: Libp2p
  readonly dht: KadDHT | undefined
  readonly network: NetworkState
  /** What does not work just now, in words for people. */
  readonly problems: readonly string[]
  start(): Promise<void>
  /** To a peer that we have addresses of, or to an address that the user has given. */
  dial(target: string, signal: AbortSignal): Promise<PeerId>
  /** Remembers what is believed of `addresses`, which were said over a connection with this remote address. */
  learn(peer: PeerId, addresses: readonly string[], source: string): Promise<void>
  /** Drops the connections with a peer, and does not dial it again soon unless asked to. */
  leave(peer: PeerId): void
  /** Frees everything, whether it was started or not. Never rejects: there is nothing left to be done about it. */
  stop(): Promise<void>
}

export interface NodeDependencies {
  readonly log: Logger
  readonly clock: Clock
  readonly privateKey: PrivateKey
  readonly isDenied: (peer: PeerId) => boolean
  readonly onEvent: (event: HostEvent) => void
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

/**
 * Where libp2p remembers its peers: in memory when the folder can't be used, which costs a restarted node some seconds.
 * @throws CatalogError STORE_LOCKED
 */
async function openPeers(path: string | undefined, log: Logger): Promise<Database> {
  if (path === undefined) return openDatabase(':memory:')
  try {
    return await openDatabase(join(path, PEERS_FILE))
  } catch (error) {
    if (!isCatalogError(error, 'STORE_FAILED')) throw error
    log.info('peers.not-kept', { path, error })
    return openDatabase(':memory:')
  }
}

/** @throws CatalogError HOST_FAILED, STORE_LOCKED when another process uses the folder, INVALID_OPTIONS */
export async function buildLibp2pNode(
  deps: NodeDependencies,
  options: { readonly network: NetworkOptions; readonly path: string | undefined },
): Promise<BuiltNode> {
  const { path } = options
  const { quic, network } = await withQuicIfThere(options.network, deps.log)
  for (const address of [...network.bootstrap, ...network.announceAddresses]) parseAddress(address)
  const database = await openPeers(path, deps.log)
  const datastore = new SqliteDatastore(database)
  const closeDatabase = (): void => {
    datastore.close()
    database.close()
  }
  try {
    datastore.dropOwnProviderRecords(deps.privateKey.publicKey.toString())
    const listening = await chooseListening(network, deps.log)
    const own = createOwnAddresses(deps, { network, listening })
    const problems = createNetworkProblems()
    const rule = createAddressRule(own)
    let built: LibP2PNode | undefined
    const node = (built = await createNode({
      privateKey: deps.privateKey,
      datastore,
      quic,
      quicDeps: { log: deps.log, clock: deps.clock, problems },
      network,
      listening,
      own,
      gater: createConnectionGater({
        isDenied: deps.isDenied,
        families: listening.families,
        ownSockets: () => own.sockets(),
        rule,
        self: deps.privateKey.publicKey.toString(),
        connectionsOf: (peer) => remoteAddresses(built?.libp2p.getConnections(peer)),
      }),
      resolvers: createResolvers(rule),
    }))
    return connectParts(deps, { network, listening, own, problems, rule, closeDatabase, ...node })
  } catch (error) {
    closeDatabase()
    throw toStartError(error)
  }
}

interface Parts extends LibP2PNode {
  readonly network: NetworkOptions
  readonly listening: Listening
  readonly own: OwnAddresses
  readonly problems: NetworkProblems
  readonly rule: AddressRule
  readonly closeDatabase: () => void
}

function connectParts(deps: NodeDependencies, parts: Parts): BuiltNode {
  const { libp2p, dht, network, rule } = parts
  giveStopADeadline(libp2p, deps)
  const memory = createPeerMemory({ libp2p, clock: deps.clock, rule })
  const finder = createPeerFinder(
    {
      log: deps.log,
      clock: deps.clock,
      dial: (target, { signal }) => dial(parts, target, signal),
      remembered: (limit) => memory.remembered(limit),
      isConnected: (peer) => isConnected(libp2p, peer),
      connectedPeers: () => libp2p.getPeers().length,
    },
    { bootstrap: network.bootstrap, maxConnections: network.maxConnections },
  )
  const hearsay = createHearsay(deps, { ...parts, onFound: (peer) => finder.found(peer) })
  watchPeers(deps, { libp2p, memory, finder })
  upgradeRelayed(deps, parts)
  const reachability = watchReachability(deps, parts)

  return {
    libp2p,
    dht,
    get network(): NetworkState {
      const relayed = libp2p.getMultiaddrs().filter((one) => transportOf(one) === 'relay')
      return {
        reachedFrom: reachability.from,
        mapped: parts.own.mapped(),
        relayed: relayed.map(String),
        relayReservations: parts.relay?.reservations.size ?? 0,
        dht: dht?.getMode() ?? 'off',
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
    leave(peer) {
      finder.leave(peer)
      for (const connection of libp2p.getConnections(parsePeer(peer))) {
        connection.abort(new Error('left'))
      }
    },
    async stop() {
      reachability.stop()
      await hearsay.stop()
      await finder.stop()
      const peers = libp2p.getPeers().map(String)
      await Promise.allSettled(peers.map((peer) => memory.saw(peer)))
      await libp2p.stop()
      parts.closeDatabase()
    },
  }
}

function watchPeers(
  deps: NodeDependencies,
  parts: { libp2p: Libp2p; memory: PeerMemory; finder: PeerFinder },
): void {
  const { libp2p, memory, finder } = parts
  const remember = (peer: PeerId): void => {
    memory.saw(peer).catch((error: unknown) => {
      deps.log.warn('host.remember-failed', { error })
    })
  }
  libp2p.addEventListener('peer:connect', ({ detail }) => {
    const peer = detail.toString()
    remember(peer)
    deps.onEvent({ type: 'connected', peer })
  })
  libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    const peer = detail.toString()
    if (libp2p.status === 'started') remember(peer)
    finder.lost()
    deps.onEvent({ type: 'disconnected', peer })
  })
}

async function dial({ libp2p, rule }: Parts, target: string, signal: AbortSignal): Promise<PeerId> {
  const to = parseTarget(target)
  // Nobody but the user gives whole addresses: all others are learned first.
  if (isMultiaddr(to)) rule.configure(to)
  const connection = await orAborted(libp2p.dial(to, { signal }), signal)
  return connection.remotePeer.toString()
}

function isConnected(libp2p: Libp2p, target: string): boolean {
  const address = parseTarget(target)
  const peer = isMultiaddr(address) ? peerOf(address) : target
  if (peer === undefined) return false
  return libp2p.getConnections(parsePeer(peer)).some(({ status }) => status === 'open')
}

/** It also stops itself, and waits for that, when it can't start. From here on it never rejects. */
function giveStopADeadline(libp2p: Libp2p, { clock, log }: NodeDependencies): void {
  const stop = libp2p.stop.bind(libp2p)
  libp2p.stop = async () => {
    const late = Promise.withResolvers<never>()
    const cancel = clock.after(STOP_TIMEOUT_MS, () =>
      late.reject(new Error(`libp2p has not stopped within ${STOP_TIMEOUT_MS} ms`)),
    )
    try {
      await Promise.race([stop(), late.promise])
    } catch (error) {
      log.error('host.stop-failed', { error })
    } finally {
      cancel()
    }
  }
}

function toStartError(error: unknown): CatalogError {
  if (isCatalogError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new CatalogError('HOST_FAILED', `the network did not start: ${message}`, { cause: error })
}
