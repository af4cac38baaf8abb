/**
 * Lets others in, fairly: handshakes under way and connections that others opened are shared by address groups
 * (limits/fair-share.ts). So no group can take all places, however many ids it makes up, and a new peer gets one while
 * another group has many. libp2p's own limits count without looking at the peer, and refuse the last to come.
 *
 * It never closes a connection that we opened. QUIC's handshakes happen in native code and have a bound of their own
 * (quic-listener.ts): their sources can be forged, those of TCP can't.
 */
import type { Connection, Transport, Upgrader } from '@libp2p/interface'
import { CatalogError } from '../../../errors.ts'
import { FairShare, type Holding } from '../../../limits/fair-share.ts'
import { transportOf } from '../addresses/address-order.ts'
import type { HostLimits } from './host-limits.ts'

export interface ConnectionGuard {
  /** The transport with listeners that keep to the limits. */
  guarded<Kind extends Transport>(this: void, transport: Kind): Kind
  opened(connection: Connection): void
  closed(connection: Connection): void
}

export function createConnectionGuard(limits: HostLimits): ConnectionGuard {
  let outbound = 0
  const inboundLimits = limits.inbound(() => outbound)
  const inbound = new FairShare<Connection>(inboundLimits)
  const places = new Map<Connection, Holding>()
  const handshakes = new FairShare<AbortController>(limits.handshakes)

  function guardedUpgrader(upgrader: Upgrader): Upgrader {
    const upgradeInbound: Upgrader['upgradeInbound'] = async (connection, options) => {
      const group = limits.groupOf(connection.remoteAddr)
      // Of a group that has all its places the newest goes: spare both sides the handshake.
      if (inbound.amountOf(group) >= inboundLimits.ofGroup(group)) throw busy()
      if (transportOf(connection.remoteAddr) !== 'tcp') {
        return upgrader.upgradeInbound(connection, options)
      }
      const leave = new AbortController()
      const place = handshakes.open(leave, group)
      const onAbort = (): void => {
        place.release()
        connection.abort(busy())
      }
      leave.signal.addEventListener('abort', onAbort, { once: true })
      try {
        place.add(1)
        makeRoom(handshakes, (offender) => offender.abort(busy()))
        leave.signal.throwIfAborted()
        await upgrader.upgradeInbound(connection, {
          ...options,
          signal: AbortSignal.any([options.signal, leave.signal]),
        })
      } finally {
        leave.signal.removeEventListener('abort', onAbort)
        place.release()
      }
    }
    return Object.create(upgrader, { upgradeInbound: { value: upgradeInbound } }) as Upgrader
  }

  return {
    guarded(transport) {
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options) =>
        createListener({ ...options, upgrader: guardedUpgrader(options.upgrader) })
      return transport
    },

    opened(connection) {
      if (connection.direction === 'outbound') {
        outbound += 1
      } else {
        const group = limits.groupOf(connection.remoteAddr, connection.remotePeer.toString())
        const place = inbound.open(connection, group)
        places.set(connection, place)
        place.add(1)
      }
      makeRoom(inbound, (offender) => {
        places.get(offender)?.release()
        places.delete(offender)
        offender.abort(busy())
      })
    },

    closed(connection) {
      if (connection.direction === 'outbound') outbound = Math.max(0, outbound - 1)
      places.get(connection)?.release()
      places.delete(connection)
    },
  }
}

/** @param dismiss must free what the offender has taken */
function makeRoom<Member>(share: FairShare<Member>, dismiss: (offender: Member) => void): void {
  for (let next = share.offender(); next !== undefined; next = share.offender()) dismiss(next)
}

function busy(): CatalogError {
  return new CatalogError('PEER_BUSY', 'too many connections of this address')
}
