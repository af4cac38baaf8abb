/**
 * Opens carriers to connected peers: asks each once where it listens, and connects to no address but the one at which libp2p has that
 * peer already, so nobody sends us anywhere. Whatever fails is left alone for a while, longer each time; it costs no request anything.
 */
import { connect, type TLSSocket } from 'node:tls'
import { isCatalogError } from '../errors.ts'
import type { Host, PeerConnection, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { ask } from '../rpc/ask.ts'
import { backOffMs } from '../timing/back-off.ts'
import type { Clock } from '../timing/clock.ts'
import { withDeadline } from '../timing/deadline.ts'
import type { CarrierOffer } from '../wire/carrier-messages.ts'
import { LentReads } from './lent-reads.ts'
import { CARRIER_OFFERS } from './offer-protocol.ts'
import { identityOf } from './tickets.ts'
import { dialSettings } from './tls-settings.ts'
import type { ClosedWhy } from './tls-stream.ts'

/** From the first packet to the end of the handshake. */
const DIAL_TIMEOUT_MS = 3_000
const BACK_OFF = { firstMs: 5_000, maxMs: 3_600_000, factor: 4 }
/** A carrier that has lived so long broke for a new reason. */
const HEALTHY_MS = 60_000
/** What listens below belongs to the system; no catalog does. */
const MIN_PORT = 1_024

export interface CarrierDialerDeps {
  readonly host: Host
  readonly clock: Clock
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
  readonly isGateway: (ip: string) => boolean
  /** Undefined unless it is direct. */
  readonly connectionOf: (peer: PeerId) => PeerConnection | undefined
}

export interface Dialled {
  readonly socket: TLSSocket
  readonly reads: LentReads
}

export interface CarrierDialer {
  /** Undefined where there is no way just now. Never rejects. */
  dial(peer: PeerId): Promise<Dialled | undefined>
  /** One that was dialled is closed. */
  closed(peer: PeerId, why: ClosedWhy): void
  forget(peer: PeerId): void
  stop(): void
}

/** Of a connected peer. */
interface Standing {
  /** Undefined: not asked, or to be asked again. */
  offer: Promise<CarrierOffer | undefined> | undefined
  failures: number
  notBeforeMs: number
  openedAtMs: number
  readonly leaving: AbortController
}

export function createCarrierDialer(deps: CarrierDialerDeps): CarrierDialer {
  const { clock, log, host } = deps
  const standings = new Map<PeerId, Standing>()

  function standingOf(peer: PeerId): Standing {
    let standing = standings.get(peer)
    if (standing === undefined) {
      const leaving = new AbortController()
      const never = { notBeforeMs: -Infinity, openedAtMs: -Infinity }
      standing = { offer: undefined, failures: 0, ...never, leaving }
      standings.set(peer, standing)
    }
    return standing
  }

  function failed(standing: Standing): void {
    // Two dials share an offer: what fails both is one failure.
    if (clock.now() < standing.notBeforeMs) return
    standing.failures += 1
    standing.offer = undefined
    standing.notBeforeMs = clock.now() + backOffMs(standing.failures, BACK_OFF)
  }

  async function dial(peer: PeerId): Promise<Dialled | undefined> {
    const ip = ipOf(deps.connectionOf(peer)?.address ?? '')
    if (ip === undefined || deps.isGateway(ip)) return undefined
    const standing = standingOf(peer)
    if (clock.now() < standing.notBeforeMs) return undefined
    const { signal } = standing.leaving
    try {
      standing.offer ??= ask({ host, clock }, CARRIER_OFFERS, {
        peer,
        request: { version: 1 },
        signal,
      })
      const offer = await standing.offer
      if (offer === undefined || offer.port < MIN_PORT) {
        standing.notBeforeMs = Infinity
        return undefined
      }
      const dialled = await withDeadline({ clock, timeoutMs: DIAL_TIMEOUT_MS, signal }, (limit) =>
        connectTo(ip, offer, limit),
      )
      standing.openedAtMs = clock.now()
      return dialled
    } catch (error) {
      log.debug('carrier.not-made', { peer, error })
      failed(standing)
      // It does not know the protocol.
      if (isCatalogError(error, 'PEER_REFUSED')) standing.notBeforeMs = Infinity
      if (isCatalogError(error, 'PEER_MISBEHAVED')) deps.onMisbehaviour(peer, error.message)
      return undefined
    }
  }

  function forget(peer: PeerId): void {
    standings.get(peer)?.leaving.abort(new Error('the peer has gone'))
    standings.delete(peer)
  }

  return {
    dial,
    closed(peer, why) {
      const standing = standings.get(peer)
      if (standing === undefined || why !== 'broken') return
      if (clock.now() - standing.openedAtMs > HEALTHY_MS) standing.failures = 0
      failed(standing)
    },
    forget,
    stop() {
      for (const peer of [...standings.keys()]) forget(peer)
    },
  }
}

async function connectTo(
  host: string,
  { port, ticket, key }: CarrierOffer,
  signal: AbortSignal,
): Promise<Dialled> {
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>()
  const reads = new LentReads()
  const settings = dialSettings({ identity: identityOf(ticket), psk: key })
  // Of net.Socket's options, which tls.connect passes on; its types leave it out.
  const options = { host, port, onread: reads.onread, ...settings }
  const socket = connect(options)
  const onAbort = (): void => void socket.destroy()
  signal.addEventListener('abort', onAbort, { once: true })
  socket.once('secureConnect', () => resolve({ socket, reads }))
  socket.on('error', reject) // also later: its stream has listeners of its own
  socket.once('close', () => reject(new Error('closed before the handshake was done')))
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Of a multiaddr; with its zone where it has one. */
export function ipOf(address: string): string | undefined {
  const [, protocol, value = '', inner, innerValue = ''] = address.split('/')
  if (protocol === 'ip6zone' && inner === 'ip6') return `${innerValue}%${value}`
  return protocol === 'ip4' || protocol === 'ip6' ? value : undefined
}
