/**
 * Which peers may connect, and which addresses are never dialled: those of banned peers, of families that are switched off,
 * link-local ones, our own listeners (every machine with containers has the same bridge address, so a peer's address may well
 * be ours), and what address-rule.ts does not let pass. The same rule keeps such addresses out of libp2p's peer store.
 */
import type {
  ConnectionGater,
  MultiaddrConnection,
  PeerId as LibP2PPeerId,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressGroup } from '../../../limits/address-group.ts'
import { familyOf, socketOf } from '../addresses/address-order.ts'
import type { AddressRule } from '../addresses/address-rule.ts'
import { isLinkLocalIp } from '../../address-scope.ts'
import type { PeerId } from '../../host.ts'
import type { IpFamily } from '../listen-addresses.ts'

export function createConnectionGater(deps: {
  readonly isDenied: (peer: PeerId, group?: AddressGroup) => boolean
  readonly groupOf: (address: Multiaddr, peer: PeerId) => AddressGroup
  readonly families: readonly IpFamily[]
  /** What we listen on, as `socketOf` spells it. */
  readonly ownSockets: () => ReadonlySet<string>
  readonly rule: AddressRule
  readonly self: PeerId
  /** Over which a peer may have told us something: the remote addresses of its connections. */
  readonly connectionsOf: (peer: LibP2PPeerId) => readonly Multiaddr[]
}): ConnectionGater {
  const { rule } = deps
  const isDenied = (peer: LibP2PPeerId): boolean => deps.isDenied(peer.toString())
  const isDeniedFrom = (id: LibP2PPeerId, { remoteAddr }: MultiaddrConnection): boolean => {
    const peer = id.toString()
    return deps.isDenied(peer, deps.groupOf(remoteAddr, peer))
  }
  return {
    denyDialPeer: isDenied,
    denyDialMultiaddr: (address) =>
      isUndialable(address, deps.families, deps.ownSockets()) || !rule.isDialable(address),
    // What a peer says of itself (identify, its own provider records) arrives here. What others say of it has been judged
    // before, by where it came from, and is dialable by now.
    filterMultiaddrForPeer: (peer, address) =>
      peer.toString() === deps.self ||
      rule.isDialable(address) ||
      deps.connectionsOf(peer).some((each) => rule.heardOver([each], [address]).length > 0),
    // Inbound peers are known only after the handshake.
    denyInboundEncryptedConnection: isDeniedFrom,
    denyOutboundEncryptedConnection: isDeniedFrom,
    denyOutboundRelayedConnection: (_source, destination) => isDenied(destination),
  }
}

function isUndialable(
  address: Multiaddr,
  families: readonly IpFamily[],
  ownSockets: ReadonlySet<string>,
): boolean {
  const family = familyOf(address)
  if (family === undefined) return false
  if (!families.includes(family)) return true
  const ip = address.getComponents()[0]?.value
  if (ip !== undefined && isLinkLocalIp(ip)) return true
  // A relay's address may be on our own machine: the socket is then the relay's.
  const socket = socketOf(address)
  return socket !== undefined && ownSockets.has(socket)
}
