/**
 * libp2p's connection limits, each set on purpose: several of its defaults drop connections silently when many machines start
 * behind one address. Limits that do not distinguish peers are so wide that connection-guard.ts decides instead.
 */
import type { Libp2pOptions } from 'libp2p'

type ConnectionManagerOptions = NonNullable<Libp2pOptions['connectionManager']>
type AddressSorter = NonNullable<ConnectionManagerOptions['addressSorter']>

/** Dials under way at once, of all peers. */
const MAX_PARALLEL_DIALS = 50
/** A peer's addresses are tried one after another; more than these are noise or an attack. */
const MAX_ADDRESSES_PER_PEER = 16
const DIAL_TIMEOUT_MS = 12_000
/** For TCP; QUIC has a shorter one of its own (quic-transport.ts). */
const ADDRESS_DIAL_TIMEOUT_MS = 4_000
/** New connections a second from one remote address: a fleet behind one NAT, or all nodes of a test. Default 5. */
const INBOUND_PER_ADDRESS_PER_SECOND = 100
/** Handshakes under way, of all transports and of relays; TCP's and QUIC's have bounds of their own below it. Default 10. */
const MAX_PENDING_INBOUND = 1_000
/** Connections above the limit, while another one is being closed. */
const SLACK = 32
const INBOUND_UPGRADE_TIMEOUT_MS = 10_000

export function connectionLimits(options: {
  readonly maxConnections: number
  readonly addressSorter: AddressSorter
  readonly resolvers: NonNullable<ConnectionManagerOptions['resolvers']>
}): ConnectionManagerOptions {
  return {
    maxConnections: options.maxConnections + SLACK,
    maxParallelDials: MAX_PARALLEL_DIALS,
    maxPeerAddrsToDial: MAX_ADDRESSES_PER_PEER,
    dialTimeout: DIAL_TIMEOUT_MS,
    addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
    inboundConnectionThreshold: INBOUND_PER_ADDRESS_PER_SECOND,
    maxIncomingPendingConnections: MAX_PENDING_INBOUND,
    inboundUpgradeTimeout: INBOUND_UPGRADE_TIMEOUT_MS,
    // Peers to return to are our own business (peer-finder.ts).
    reconnectRetries: 0,
    addressSorter: options.addressSorter,
    resolvers: options.resolvers,
  }
}
