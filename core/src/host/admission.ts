/**
 * Which peers take part, decided once per peer after its handshake: until then no handler of ours answers it and no listener
 * hears of it. Both hosts use it. It proves nothing itself: `Admit` may ask the peer, over protocols that are answered before
 * admission. Bans are the gate's business, which is asked at every connection and stream.
 */
import type { Logger } from '../log.ts'
import type { Clock } from '../timing/clock.ts'
import { withDeadline } from '../timing/deadline.ts'
import type { Admit, ByteStream, HandleOptions, PeerConnection, PeerId } from './host.ts'
import { CatalogError } from '../errors.ts'

/** A peer that is not admitted within this time is not. */
const ADMISSION_TIMEOUT_MS = 10_000

type Handler = (stream: ByteStream) => void | Promise<void>

export interface AdmissionDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Undefined when it has gone. */
  readonly connectionOf: (peer: PeerId) => PeerConnection | undefined
  readonly onAdmitted: (peer: PeerId) => void
  /** An admitted peer has disconnected. */
  readonly onLeft: (peer: PeerId) => void
  /** It has to be disconnected. */
  readonly onRefused: (peer: PeerId) => void
}

interface Decision {
  readonly leaving: AbortController
  readonly result: Promise<boolean>
}

export class Admission {
  readonly #deps: AdmissionDeps
  readonly #admitted = new Set<PeerId>()
  /** Of connected peers. */
  readonly #decisions = new Map<PeerId, Decision>()
  #admit: Admit | undefined

  constructor(deps: AdmissionDeps) {
    this.#deps = deps
  }

  set(admit: Admit): void {
    this.#admit = admit
  }

  connected(peer: PeerId): void {
    if (this.#admit === undefined) this.#enter(peer)
    else void this.isAdmitted(peer)
  }

  disconnected(peer: PeerId): void {
    this.#decisions.get(peer)?.leaving.abort(new Error('the peer has left'))
    this.#decisions.delete(peer)
    if (this.#admitted.delete(peer)) this.#deps.onLeft(peer)
  }

  /** Those that were admitted and have not disconnected: a copy. */
  get admitted(): PeerId[] {
    return [...this.#admitted]
  }

  /** Those that take part, which is asked several times for each artifact. They are not looked for where there is none. */
  among(connections: () => readonly PeerConnection[]): readonly PeerConnection[] {
    return this.#admitted.size === 0 ? [] : connections().filter(({ peer }) => this.has(peer))
  }

  /** Whether it takes part now. */
  has(peer: PeerId): boolean {
    return this.#admit === undefined || this.#admitted.has(peer)
  }

  /** Waits for the decision about a connected peer. Never rejects. */
  async isAdmitted(peer: PeerId): Promise<boolean> {
    const admit = this.#admit
    if (admit === undefined) return true
    const known = this.#decisions.get(peer)
    if (known !== undefined) return await known.result
    const connection = this.#deps.connectionOf(peer)
    if (connection === undefined) return false
    const leaving = new AbortController()
    const result = this.#ask(admit, connection, leaving.signal).then((isAdmitted) => {
      if (this.#decisions.get(peer) !== decision) return false
      if (isAdmitted) this.#enter(peer)
      else this.#deps.onRefused(peer)
      return isAdmitted
    })
    const decision: Decision = { leaving, result }
    this.#decisions.set(peer, decision)
    return await result
  }

  /** The handler, for streams of this peer: runs it once the peer is admitted. */
  guard(peer: PeerId, handler: Handler, { beforeAdmission = false }: HandleOptions): Handler {
    if (beforeAdmission || this.has(peer)) return handler
    return async (stream) => {
      if (!(await this.isAdmitted(peer))) {
        throw new CatalogError('PEER_REFUSED', 'the peer is not admitted', { peer })
      }
      await handler(stream)
    }
  }

  #enter(peer: PeerId): void {
    this.#admitted.add(peer)
    this.#deps.onAdmitted(peer)
  }

  async #ask(admit: Admit, connection: PeerConnection, signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#deps
    const { peer } = connection
    try {
      const limits = { clock, timeoutMs: ADMISSION_TIMEOUT_MS, signal }
      return await withDeadline(limits, (limit) => admit(connection, { signal: limit }))
    } catch (error) {
      log.debug('host.admission-failed', { peer, error })
      return false
    }
  }
}
