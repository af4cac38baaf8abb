/**
 * Addresses that others tell of peers (on the LAN, in the DHT, in peer exchange) on their way into libp2p's peer store. Each
 * has a source, and address-rule.ts says what is believed from there. What peers say of themselves libp2p stores by itself
 * (connection-gate.ts).
 */
import type { Connection, PeerInfo } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import type { Clock } from '../../../timing/clock.ts'
import type { Logger } from '../../../log.ts'
import type { Random } from '../../../random.ts'
import { transportOf } from './address-order.ts'
import type { AddressRule } from './address-rule.ts'
import type { Membership, PeerId } from '../../host.ts'
import { createLanDiscovery, type LanDiscovery } from '../../lan/lan-discovery.ts'
import type { Listening, NetworkOptions } from '../listen-addresses.ts'
import type { OwnAddresses } from './own-addresses.ts'
import { findAddress, parsePeer, peerOf } from './peer-addresses.ts'
import type { PeerFinder } from '../peer-finder.ts'

export interface Hearsay {
  /** Listens on the LAN, if it may. */
  start(): void
  stop(): Promise<void>
  /** Remembers what is believed of `addresses`, which were said over a connection with this remote address. */
  learn(peer: PeerId, addresses: readonly string[], source: string): Promise<void>
}

interface Dependencies {
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly membership?: Membership | undefined
}

interface Parts {
  readonly libp2p: Libp2p
  readonly network: NetworkOptions
  readonly listening: Listening
  readonly own: OwnAddresses
  readonly rule: AddressRule
  readonly onDhtPeer: (listener: (peer: PeerInfo) => void) => void
  readonly finder: Pick<PeerFinder, 'found' | 'isLonely'>
}

export function createHearsay(deps: Dependencies, parts: Parts): Hearsay {
  const { libp2p, rule } = parts
  const lan = createLan(deps, parts)
  learnFromDht(deps, parts)
  return {
    start: () => lan?.start(),
    stop: async () => lan?.stop(),
    async learn(peer, addresses, source) {
      const from = findAddress(source)
      const multiaddrs = rule
        .heardOver(from === undefined ? [] : [from], parseAll(addresses))
        .filter((address) => (peerOf(address) ?? peer) === peer)
      if (multiaddrs.length > 0) await libp2p.peerStore.merge(parsePeer(peer), { multiaddrs })
    },
  }
}

function createLan(
  deps: Dependencies,
  { libp2p, network, listening, own, rule, finder }: Parts,
): LanDiscovery | undefined {
  // Multicast leaves the machine, which is not what loopback only means.
  if (!network.mdns || network.loopbackOnly) return undefined
  async function learn(peer: PeerId, addresses: readonly string[], ip: string): Promise<void> {
    const multiaddrs = rule.heardFrom(ip, parseAll(addresses))
    if (multiaddrs.length === 0) return
    await libp2p.peerStore.merge(parsePeer(peer), { multiaddrs })
    finder.found(peer)
  }
  return createLanDiscovery(
    {
      log: deps.log,
      clock: deps.clock,
      random: deps.random,
      self: libp2p.peerId.toString(),
      addresses: () => directAddresses(libp2p),
      seals: deps.membership?.lanSeals,
      isOnLink: (ip) => own.linksOf(ip).size > 0,
      isLonely: () => finder.isLonely,
      onFound: (peer, addresses, ip) => {
        learn(peer, addresses, ip).catch((error: unknown) => {
          deps.log.debug('host.lan-peer-failed', { peer, error })
        })
      },
    },
    { families: listening.families },
  )
}

function directAddresses(libp2p: Libp2p): string[] {
  const direct = libp2p.getMultiaddrs().filter((address) => transportOf(address) !== 'relay')
  return direct.map(String)
}

/** Of what DHT servers say of others; which of those that we are connected to said it nobody tells us. */
export function believedOfDht(
  rule: AddressRule,
  libp2p: Pick<Libp2p, 'getConnections'> | undefined,
  multiaddrs: readonly Multiaddr[],
): Multiaddr[] {
  return rule.heardOver(remoteAddresses(libp2p?.getConnections()), multiaddrs)
}

function learnFromDht(deps: Dependencies, parts: Parts): void {
  const { libp2p, rule } = parts
  parts.onDhtPeer(({ id, multiaddrs }) => {
    const believed = believedOfDht(rule, libp2p, multiaddrs)
    if (believed.length === 0 || id.equals(libp2p.peerId)) return
    libp2p.peerStore.merge(id, { multiaddrs: believed }).catch((error: unknown) => {
      deps.log.debug('host.dht-peer-failed', { peer: id.toString(), error })
    })
  })
}

export function remoteAddresses(connections: readonly Connection[] = []): Multiaddr[] {
  return connections.map(({ remoteAddr }) => remoteAddr)
}

function parseAll(addresses: readonly string[]): Multiaddr[] {
  return addresses.flatMap((address) => findAddress(address) ?? [])
}
