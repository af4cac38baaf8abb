/**
 * Dials peers we have heard of until there are enough connections: a few at a time, each with a deadline, peers that do not
 * answer less and less often. What it remembers is bounded, as peers can be made up.
 */
import { LRUCache } from 'lru-cache'
import { backOffMs } from '../../timing/back-off.ts'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Host, PeerId } from '../../host/host.ts'
import { addressGroup } from '../../limits/address-group.ts'
import type { Logger } from '../../log.ts'
import { withDeadline } from '../../timing/deadline.ts'
import type { KnownPeer } from '../../wire/peer-messages.ts'

const MAX_CANDIDATES = 512
const MAX_DIALING = 4
/** Connections with one address, after which its other ids are not dialled: they are as good as these. */
const MAX_OF_GROUP = 4
const DIAL_TIMEOUT_MS = 10_000
const RETRY = { firstMs: 60_000, maxMs: 3_600_000 }
const MAX_FAILURES = 3
/** A peer that was given up is not dialled again for so long because others tell of it. */
const GIVEN_UP_MS = 600_000

interface Candidate {
  addresses: readonly string[]
  /** The remote address of the connection over which we have heard them. */
  source: string
  failures: number
  nextTryAtMs: number
}

export class PeerDialer {
  readonly #deps: { readonly host: Host; readonly clock: Clock; readonly log: Logger }
  readonly #targetPeers: number
  readonly #candidates = new Map<PeerId, Candidate>()
  readonly #givenUp = new LRUCache<PeerId, number>({ max: 2 * MAX_CANDIDATES })
  readonly #dialing = new Map<PeerId, Promise<void>>()
  #stopping = new AbortController()

  constructor(
    deps: { readonly host: Host; readonly clock: Clock; readonly log: Logger },
    options: { readonly targetPeers: number },
  ) {
    this.#deps = deps
    this.#targetPeers = options.targetPeers
  }

  start(): void {
    this.#stopping = new AbortController()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new CatalogError('NODE_STOPPED', 'discovery has stopped'))
    await Promise.all(this.#dialing.values())
    this.#candidates.clear()
    this.#givenUp.clear()
  }

  /** Counts addresses: the ids of one address may all be one attacker's, and must not end the search for others. */
  get wantsMore(): boolean {
    const groups = new Set(this.#deps.host.peers().map(({ group }) => group))
    return this.#isTooFew(groups.size)
  }

  /** Remembers peers we have heard of over a connection with this remote address, and dials while there are too few. */
  learn(peers: readonly KnownPeer[], source: string): void {
    const { host, clock } = this.#deps
    for (const { peer, addresses } of peers) {
      if (peer === host.id || addresses.length === 0) continue
      const givenUpAtMs = this.#givenUp.get(peer)
      if (givenUpAtMs !== undefined && clock.now() - givenUpAtMs < GIVEN_UP_MS) continue
      const candidate = this.#candidates.get(peer) ?? {
        addresses,
        source,
        failures: 0,
        nextTryAtMs: clock.now(),
      }
      candidate.addresses = addresses
      candidate.source = source
      // The peers told of last are the last to be forgotten.
      this.#candidates.delete(peer)
      this.#candidates.set(peer, candidate)
      this.#forgetOldest()
    }
    this.dial()
  }

  /** Starts as many dials as are wanted and allowed now. */
  dial(): void {
    const { host, clock } = this.#deps
    const peers = host.peers()
    const connected = new Set(peers.map(({ peer }) => peer))
    const groups = Map.groupBy(peers, ({ group }) => group)
    const hasEnoughOf = ({ addresses }: Candidate): boolean =>
      addresses.every((address) => {
        const known = groups.get(addressGroup(address))?.length ?? 0
        return known >= MAX_OF_GROUP
      })
    for (const [peer, candidate] of this.#candidates) {
      if (this.#stopping.signal.aborted || !this.#isTooFew(groups.size)) return
      if (this.#dialing.size >= MAX_DIALING) return
      if (this.#dialing.has(peer) || candidate.nextTryAtMs > clock.now()) continue
      if (connected.has(peer) || hasEnoughOf(candidate)) continue
      const done = this.#dial(peer, candidate).finally(() => {
        this.#dialing.delete(peer)
        this.dial()
      })
      this.#dialing.set(peer, done)
    }
  }

  #isTooFew(groups: number): boolean {
    return groups + this.#dialing.size < this.#targetPeers
  }

  /** Never rejects. */
  async #dial(peer: PeerId, candidate: Candidate): Promise<void> {
    const { host, clock, log } = this.#deps
    const { signal } = this.#stopping
    try {
      await host.learnAddresses(peer, candidate.addresses, candidate.source)
      const limits = { clock, timeoutMs: DIAL_TIMEOUT_MS, signal }
      await withDeadline(limits, (limit) => host.connect(peer, { signal: limit }))
      candidate.failures = 0
    } catch (error) {
      if (signal.aborted) return
      log.debug('peers.dial.failed', { peer, error })
      candidate.failures += 1
      candidate.nextTryAtMs = clock.now() + backOffMs(candidate.failures, RETRY)
      const isHopeless = isCatalogError(error, 'PEER_REFUSED') || !isCatalogError(error)
      if (isHopeless || candidate.failures >= MAX_FAILURES) this.#giveUp(peer)
    }
  }

  #giveUp(peer: PeerId): void {
    this.#candidates.delete(peer)
    this.#givenUp.set(peer, this.#deps.clock.now())
  }

  #forgetOldest(): void {
    if (this.#candidates.size <= MAX_CANDIDATES) return
    for (const peer of this.#candidates.keys()) {
      if (this.#dialing.has(peer)) continue
      this.#candidates.delete(peer)
      return
    }
  }
}
