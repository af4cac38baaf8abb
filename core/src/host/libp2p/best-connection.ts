/**
 * Of several connections with one peer (both dialled at once, or first by a relay) the one that streams go over. Pure, but that
 * what a connection is in our terms is worked out once: the list of peers is asked for again and again.
 */
import type { Connection } from '@libp2p/interface'
import { transportOf } from './addresses/address-order.ts'
import type { HostLimits } from './admission/host-limits.ts'
import type { PeerConnection, PeerId, Transport } from '../host.ts'

/** Best first. */
const TRANSPORT_ORDER: readonly Transport[] = ['quic', 'tcp', 'other', 'memory', 'relay']

export function bestConnection(connections: readonly Connection[]): Connection | undefined {
  let best: Connection | undefined
  for (const connection of connections) {
    if (connection.status !== 'open') continue
    // Of equals the newest: a peer that was killed and is back has left one that is dead and still open.
    if (best === undefined || rankOf(connection) <= rankOf(best)) best = connection
  }
  return best
}

const described = new WeakMap<Connection, PeerConnection>()

/** One entry a peer. `groupOf` is asked once for each connection: its place among those of its group is taken once too. */
export function toPeerConnections(
  connections: readonly Connection[],
  groupOf: HostLimits['groupOf'],
): PeerConnection[] {
  const byPeer = Map.groupBy(connections, ({ remotePeer }) => remotePeer.toString())
  return [...byPeer].flatMap(([peer, ofPeer]) => {
    const best = bestConnection(ofPeer)
    return best === undefined ? [] : [describe(peer, best, groupOf)]
  })
}

function rankOf(connection: Connection): number {
  return TRANSPORT_ORDER.indexOf(transportOf(connection.remoteAddr))
}

function describe(
  peer: PeerId,
  connection: Connection,
  groupOf: HostLimits['groupOf'],
): PeerConnection {
  const known = described.get(connection)
  if (known !== undefined) return known
  const made: PeerConnection = {
    peer,
    address: connection.remoteAddr.toString(),
    group: groupOf(connection.remoteAddr, peer),
    direction: connection.direction,
    transport: transportOf(connection.remoteAddr),
    connectedAtMs: connection.timeline.open,
  }
  described.set(connection, made)
  return made
}
