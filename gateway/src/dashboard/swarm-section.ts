/** Peers as the dashboard shows them: how far away each is, and who gave whom how much. Pure. */
import type { CatalogNode, NodePeer, NodeStats } from '@catalog-p2p/core'
import type { Viewer } from '../admin/viewer.ts'
import type { FleetSection, SwarmPeer, SwarmSection, Tier } from './snapshot.ts'

/** More are counted and not shown. */
const MAX_PEERS = 200
const NEAR_MS = 30

const REACHED: Readonly<Record<NodeStats['network']['reachedFrom'], string>> = {
  public: 'from the internet',
  private: 'from this network',
  loopback: 'from this machine',
  nowhere: 'by nobody directly yet',
}

export function swarmSection(node: CatalogNode, stats: NodeStats, viewer: Viewer): SwarmSection {
  const { id, peers: count, bannedPeers: banned, network } = stats
  const { members, received, fetched, failed } = stats.fleet
  const fleet = { members, received, fetched, failed, metadata: metadataOf(stats) }
  if (viewer === 'stranger') return { id, count, banned, fleet, reached: null, peers: null }
  const peers = node.peers().map(shownPeer)
  peers.sort((a, b) => trafficOf(b) - trafficOf(a) || (a.id < b.id ? -1 : 1))
  const reached = REACHED[network.reachedFrom]
  return { id, count, banned, fleet, reached, peers: peers.slice(0, MAX_PEERS) }
}

function metadataOf({ fleet: { metadata } }: NodeStats): FleetSection['metadata'] {
  const { members, received, given, failed } = metadata
  return { members, received, given, failed }
}

function shownPeer(peer: NodePeer): SwarmPeer {
  const { peer: id, transport, address, artifacts, rttMs, strikes } = peer
  return {
    ...{ id, transport, address, artifacts, strikes, tier: tierOf(peer) },
    rttMs: rttMs === undefined ? null : Math.round(rttMs * 10) / 10,
    gotBytes: peer.receivedBytes,
    gaveBytes: peer.sentBytes,
  }
}

/** By its address where that is of a private network, else by how long its answers take, which grows with what they carry. */
export function tierOf({
  rttMs,
  address,
  transport,
}: Pick<NodePeer, 'rttMs' | 'address' | 'transport'>): Tier {
  if (transport !== 'relay' && isPrivate(address)) return 'local'
  if (rttMs === undefined) return 'new'
  return rttMs <= NEAR_MS ? 'near' : 'far'
}

/** Of a network that is nobody's but its users' (RFC 1918, RFC 4193), of a link, or of this machine. */
function isPrivate(multiaddr: string): boolean {
  return /\/(?:ip4\/(?:10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.|ip6\/(?:::1\/|f[cd]|fe[89ab]))/i.test(
    multiaddr,
  )
}

function trafficOf({ gotBytes, gaveBytes }: SwarmPeer): number {
  return gotBytes + gaveBytes
}
