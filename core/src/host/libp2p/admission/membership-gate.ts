/**
 * Where a private swarm asks for proof: after the handshake has shown who a peer is, and before libp2p makes a connection of
 * it. Until then there is nothing that could answer: no identify, no ping, no DHT, no relay, no list of protocols, no handler,
 * and no listener hears of the peer. It holds for every transport, for relayed connections from end to end.
 *
 * libp2p asks its gater at exactly that moment; the muxer that it has made just before is caught by wrapping the factories.
 * The first stream that the dialer opens carries the proof; those that come early wait until the connection is there to take
 * them. Should another version of libp2p do it in another order, no connection comes about at all.
 */
import type {
  ConnectionGater,
  MultiaddrConnection,
  PeerId as LibP2PPeerId,
  StreamMuxerFactory,
  Transport,
} from '@libp2p/interface'
import { CatalogError } from '../../../errors.ts'
import type { AddressGroup } from '../../../limits/address-group.ts'
import { FairShare, type ShareLimits } from '../../../limits/fair-share.ts'
import { createRepeatLog } from '../../../limits/repeat-log.ts'
import type { Logger } from '../../../log.ts'
import type { Clock } from '../../../timing/clock.ts'
import { withDeadline } from '../../../timing/deadline.ts'
import { raceSignal } from '../../../timing/race-signal.ts'
import { MEMBERSHIP_TIMEOUT_MS, type Meeting, type Membership, type PeerId } from '../../host.ts'
import { toByteStream, type UnreadBytes } from '../byte-stream.ts'
import type { HeldStreams } from './held-streams.ts'
import { MuxerWatch } from './muxer-watch.ts'

/** What a peer may send before it has proved itself. */
const MAX_PROOF_BYTES = 64 * 1024
const ALL_PROOF_BYTES = 4 * 1024 * 1024

export interface MembershipGate {
  /** The factory of a muxer that libp2p negotiates. */
  muxers<Components>(
    this: void,
    create: (components: Components) => StreamMuxerFactory,
  ): (components: Components) => StreamMuxerFactory
  /** The transport, if it brings a muxer of its own. */
  transport<Kind extends Transport>(this: void, transport: Kind): Kind
  readonly gater: Required<
    Pick<ConnectionGater, 'denyInboundUpgradedConnection' | 'denyOutboundUpgradedConnection'>
  >
}

export interface MembershipGateDeps {
  readonly membership: Membership
  readonly clock: Clock
  readonly log: Logger
  readonly self: PeerId
  readonly groupOf: (address: MultiaddrConnection['remoteAddr'], peer: PeerId) => AddressGroup
  /** For peers that prove themselves just now. */
  readonly limits: ShareLimits
}

export function createMembershipGate(deps: MembershipGateDeps): MembershipGate {
  const proving = new FairShare<AbortController>(deps.limits)
  const unread: UnreadBytes = new FairShare({
    total: ALL_PROOF_BYTES,
    ofGroup: () => ALL_PROOF_BYTES / 8,
  })
  const logRefused = createRepeatLog(deps, 'swarm.outsider-refused')
  const muxers = new MuxerWatch()

  async function prove(
    streams: HeldStreams | undefined,
    { self, peer, role }: Meeting,
    { group, closed }: { group: AddressGroup; closed: AbortSignal },
  ): Promise<boolean> {
    if (streams === undefined) throw new Error('a connection has a muxer before it is asked about')
    const leave = new AbortController()
    // Those that we dial we have chosen ourselves, a few at a time.
    const place = role === 'listener' ? proving.open(leave, group) : undefined
    try {
      place?.add(1)
      makeRoom(proving)
      const signal = AbortSignal.any([leave.signal, closed, ...streams.signals])
      const limits = { clock: deps.clock, timeoutMs: MEMBERSHIP_TIMEOUT_MS, signal }
      return await withDeadline(limits, async (limit) => {
        const opening = role === 'dialer' ? streams.open() : streams.first
        const stream = await raceSignal(opening, limit)
        const bytes = toByteStream(stream, {
          ...{ clock: deps.clock, peer, group, unread, onClosed: () => undefined },
          maxInboundBytes: MAX_PROOF_BYTES,
        })
        return await deps.membership.prove(bytes, { self, peer, role }, { signal: limit })
      })
    } finally {
      place?.release()
    }
  }

  async function isOutsider(
    role: Meeting['role'],
    id: LibP2PPeerId,
    connection: MultiaddrConnection,
  ): Promise<boolean> {
    const streams = muxers.take()
    const peer = id.toString()
    const group = deps.groupOf(connection.remoteAddr, peer)
    const leave = (reason: Error): void => {
      streams?.abort(reason)
      connection.abort(reason)
    }
    const closing = new AbortController()
    connection.addEventListener('close', () => closing.abort(new Error('the peer has left')))
    try {
      const meeting = { self: deps.self, peer, role }
      if (await prove(streams, meeting, { group, closed: closing.signal })) return false
      leave(new Error('it got what it came for'))
    } catch (error) {
      logRefused({ peer, role, group, error })
      leave(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }

  return {
    muxers: (create) => (components) => muxers.factory(create(components)),
    transport: (transport) => muxers.transport(transport),
    gater: {
      denyInboundUpgradedConnection: (peer, connection) => isOutsider('listener', peer, connection),
      denyOutboundUpgradedConnection: (peer, connection) => isOutsider('dialer', peer, connection),
    },
  }
}

function makeRoom(share: FairShare<AbortController>): void {
  const offender = share.offender()
  offender?.abort(new CatalogError('PEER_BUSY', 'too many peers of this address prove themselves'))
}
