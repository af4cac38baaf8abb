/**
 * How many connections and handshakes others may have with this host, in total and per address group, in one place. Peers on
 * our own networks or this machine get more than strangers, as a whole CI fleet may be behind one of our addresses.
 * docs/operating.md, section Limits
 *
 * It does not say which peer is let in: connection-guard.ts does.
 */
import type { Multiaddr } from '@multiformats/multiaddr'
import {
  addressGroup,
  addressIn,
  isRelayGroup,
  type AddressGroup,
} from '../../../limits/address-group.ts'
import type { ShareLimits } from '../../../limits/fair-share.ts'
import { ipScope } from '../../address-scope.ts'
import type { PeerId } from '../../host.ts'

/** Of all connections, for those that we open ourselves: never fewer, and at most half. */
const OWN_PART = 1 / 8
const MAX_OWN_PART = 1 / 2
/** Of all connections, for one address of a stranger, and of our own networks. */
const STRANGER_PART = 1 / 8
const NEAR_PART = 1 / 4
const MIN_STRANGER_PLACES = 4
/** TCP connections whose handshake is under way: all of them, and those of one address. */
const HANDSHAKES = 128
const STRANGER_HANDSHAKES = 8
const NEAR_HANDSHAKES = 32

export interface HostLimits {
  groupOf(this: void, address: Multiaddr, peer?: PeerId): AddressGroup
  /** Connections that others have opened, while we have opened so many. */
  inbound(outbound: () => number): ShareLimits
  readonly handshakes: ShareLimits
}

export function hostLimits(options: {
  readonly maxConnections: number
  /** Only this machine can connect: each of its peers counts for itself. */
  readonly loopbackOnly: boolean
  /** Is this machine's, or on a network that it is on. */
  readonly isLocal: (ip: string) => boolean
  /** A router of ours: all peers behind it have its address, so that only the total bounds them. */
  readonly isGateway: (ip: string) => boolean
}): HostLimits {
  const { maxConnections, loopbackOnly } = options

  // A relay serves many, and was chosen by us.
  function isNear(group: AddressGroup): boolean {
    const ip = addressIn(group)
    return isRelayGroup(group) || (ip !== undefined && options.isLocal(ip))
  }

  const stranger = Math.max(MIN_STRANGER_PLACES, Math.ceil(maxConnections * STRANGER_PART))
  const near = Math.max(2 * MIN_STRANGER_PLACES, Math.ceil(maxConnections * NEAR_PART))

  return {
    groupOf(address, peer) {
      const group = addressGroup(address.toString())
      const ip = addressIn(group)
      const isAlone = loopbackOnly && ip !== undefined && ipScope(ip) === 'loopback'
      const isHidden =
        !isRelayGroup(group) && options.isGateway(address.getComponents()[0]?.value ?? '')
      return (isAlone || isHidden) && peer !== undefined ? `${group} ${peer}` : group
    },
    inbound: (outbound) => ({
      get total() {
        const most = Math.floor(maxConnections * MAX_OWN_PART)
        const own = Math.min(most, Math.max(outbound(), Math.floor(maxConnections * OWN_PART)))
        return Math.max(1, maxConnections - own)
      },
      ofGroup: (group) => (isNear(group) ? near : stranger),
    }),
    handshakes: {
      total: HANDSHAKES,
      ofGroup: (group) => {
        if (loopbackOnly || options.isGateway(addressIn(group) ?? '')) return HANDSHAKES
        return isNear(group) ? NEAR_HANDSHAKES : STRANGER_HANDSHAKES
      },
    },
  }
}
