/** Of several connections with one peer (both dialled at once, or first by a relay) the one that streams go over. Pure. */
import type { Connection } from '@libp2p/interface'
import { transportOf } from './address-order.ts'
import type { HostLimits } from './host-limits.ts'
import type { PeerConnection, PeerId, Transport } from '../host.ts'

/** Best first. */
const TRANSPORT_ORDER: readonly Transport[] = ['quic', 'tcp', 'other', 'memory', 'relay']

export function bestConnection(connections: readonly Connection[]): Connection | undefined {
  let best: Connection | undefined
  for (const connection of connections) {
    if (connection.status !== 'open') continue
    if (best === undefined || rankOf(connection) < rankOf(best)) best = connection
  }
  return best
}

/** One entry a peer. */
export function toPeerConnections(
  connections: readonly Connection[],
  groupOf: HostLimits['groupOf'],
): PeerConnection[] {
  const byPeer = Map.groupBy(connections, ({ remotePeer }) => remotePeer.toString())
  return [...byPeer].flatMap(([peer, ofPeer]) => {
    const best = bestConnection(ofPeer)
    return best === undefined ? [] : [toPeerConnection(peer, best, groupOf)]
  })
}

function rankOf(connection: Connection): number {
  return TRANSPORT_ORDER.indexOf(transportOf(connection.remoteAddr))
}

function toPeerConnection(
  peer: PeerId,
  connection: Connection,
  groupOf: HostLimits['groupOf'],
): PeerConnection {
  return {
    peer,
    address: connection.remoteAddr.toString(),
    group: groupOf(connection.remoteAddr, peer),
    direction: connection.direction,
    transport: transportOf(connection.remoteAddr),
    connectedAtMs: connection.timeline.open,
  }
}
