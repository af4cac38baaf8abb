/**
 * Peers tell each other of peers, so that one known address is enough to join a swarm: a new peer asks the peer that it has
 * reached, is asked in turn, and is announced to the peers that came shortly before it. What is told proves nothing: it is
 * bounded, filtered by address-scope.ts, dialled with deadlines, and proven only by the handshake.
 * docs/protocol.md, section Peer exchange
 */
import { PEER_EXCHANGE } from './peer-protocol.ts'
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Host, PeerId } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import { jittered, type Random } from '../../random.ts'
import { createAnswering, type Answering } from '../../rpc/answer.ts'
import { ask } from '../../rpc/ask.ts'
import { shareablePeers, shuffled } from './shareable-peers.ts'
import { PeerDialer } from './peer-dialer.ts'
import { MAX_EXCHANGED_PEERS, type KnownPeer, type PeerMessage } from '../../wire/peer-messages.ts'
import { TokenBucket } from '../../limits/token-bucket.ts'
import { createWakeup, type Wakeup } from '../../timing/wakeup.ts'

const ASK_EVERY_MS = 120_000
const ASKED_AT_ONCE = 3
const ASK_TRIES = 3
const ASK_AGAIN_MS = 2000
const MAX_ASKING = 4
/** A peer's addresses are known a moment after it has connected; and new peers come in crowds. */
const PUSH_DELAY_MS = 1000
const PUSH_INTERVAL_MS = 2000
const PUSH_TRIES = 3
const MAX_PUSH_RECIPIENTS = 16
/** "Shortly before". */
const RECENT_MS = 600_000
const MAX_NEW_PEERS = 256
const ASK_BUDGET = { burst: 4, perSecond: 1 / 30 }
const PUSH_BUDGET = { burst: 20, perSecond: 1 / 2 }
const MAX_BUDGETS = 2000
const MAX_STREAMS_PER_PEER = 4
const FOREVER_MS = 3_600_000

interface PeerExchangeDeps {
  readonly host: Host
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
}

export class PeerExchange {
  readonly #deps: PeerExchangeDeps
  readonly #dialer: PeerDialer
  readonly #asks = new PQueue({ concurrency: MAX_ASKING })
  readonly #newPeersWakeup: Wakeup
  /** Peers not yet told on, and how often their addresses may still be asked for. */
  readonly #newPeers = new Map<PeerId, number>()
  readonly #budgets = new LRUCache<PeerId, { asks: TokenBucket; pushes: TokenBucket }>({
    max: MAX_BUDGETS,
  })
  #tasks: Promise<void>[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #answering: Answering
  #stopping = new AbortController()
  #isStarted = false
  #removeListener: (() => void) | undefined

  constructor(deps: PeerExchangeDeps, options: { readonly targetPeers: number }) {
    this.#deps = deps
    this.#dialer = new PeerDialer(deps, options)
    this.#newPeersWakeup = createWakeup(deps.clock)
    const onMisbehaviour = (peer: PeerId, reason: string): void =>
      deps.onMisbehaviour(peer, `peers: ${reason}`)
    this.#answering = createAnswering({ ...deps, onMisbehaviour }, PEER_EXCHANGE, {
      maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
      answer: (message, { peer }) => this.#answer(message, peer),
    })
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#stopping = new AbortController()
    this.#dialer.start()
    this.#answering.start()
    this.#removeListener = this.#deps.host.onEvent(({ type, peer }) => {
      if (type === 'connected') this.#onConnected(peer)
      else this.#newPeers.delete(peer)
    })
    for (const { peer } of this.#deps.host.peers()) this.#onConnected(peer)
    const { signal } = this.#stopping
    this.#tasks = [this.#pushLoop(signal), this.#askLoop(signal)]
  }

  async stop(): Promise<void> {
    this.#isStarted = false
    this.#removeListener?.()
    this.#stopping.abort(new CatalogError('NODE_STOPPED', 'discovery has stopped'))
    await Promise.all([...this.#tasks, ...this.#running, this.#answering.stop()])
    await this.#dialer.stop()
    this.#newPeers.clear()
  }

  #onConnected(peer: PeerId): void {
    if (this.#newPeers.size < MAX_NEW_PEERS) this.#newPeers.set(peer, PUSH_TRIES)
    this.#newPeersWakeup.wake()
    if (this.#dialer.wantsMore) this.#ask(peer)
  }

  async #askLoop(signal: AbortSignal): Promise<void> {
    const { clock, host, random } = this.#deps
    while (!signal.aborted) {
      // Jitter, so that a fleet that was switched on together does not ask together.
      await sleepUnlessAborted(clock, jittered(ASK_EVERY_MS, 0.1, random), signal)
      if (signal.aborted) return
      this.#dialer.dial()
      if (!this.#dialer.wantsMore) continue
      for (const { peer } of shuffled(host.peers(), random).slice(0, ASKED_AT_ONCE)) this.#ask(peer)
    }
  }

  #ask(peer: PeerId): void {
    const task = this.#askUntilAnswered(peer, this.#stopping.signal).finally(() =>
      this.#running.delete(task),
    )
    this.#running.add(task)
  }

  /** A few times: a peer that has just started may not speak the protocol yet. Never rejects. */
  async #askUntilAnswered(peer: PeerId, signal: AbortSignal): Promise<void> {
    const question = { type: 'ask', max: MAX_EXCHANGED_PEERS } as const
    for (let tries = 1; tries <= ASK_TRIES; tries += 1) {
      const isAnswered = await this.#asks.add(() => this.#exchange(peer, question, signal))
      if (isAnswered || signal.aborted) return
      if (!this.#dialer.wantsMore || !this.#deps.host.isConnected(peer)) return
      await sleepUnlessAborted(this.#deps.clock, ASK_AGAIN_MS * tries, signal)
      if (signal.aborted) return
    }
  }

  async #pushLoop(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    while (!signal.aborted) {
      if (this.#newPeers.size === 0) {
        await this.#newPeersWakeup.wait(FOREVER_MS, signal).catch(() => undefined) // aborted: the loop ends
      }
      await sleepUnlessAborted(clock, PUSH_DELAY_MS, signal)
      if (signal.aborted) return
      try {
        await this.#pushNewPeers(signal)
      } catch (error) {
        this.#deps.log.warn('peers.news.failed', { error })
      }
      await sleepUnlessAborted(clock, PUSH_INTERVAL_MS, signal)
    }
  }

  /** Tells peers that connected shortly before of new peers, and new peers of each other. */
  async #pushNewPeers(signal: AbortSignal): Promise<void> {
    const { host, clock } = this.#deps
    const newPeers: KnownPeer[] = []
    for (const [peer, tries] of [...this.#newPeers].slice(0, MAX_EXCHANGED_PEERS)) {
      const addresses = await host.addressesOf(peer)
      if (addresses.length > 0) newPeers.push({ peer, addresses })
      if (addresses.length > 0 || tries <= 1) this.#newPeers.delete(peer)
      else if (this.#newPeers.has(peer)) this.#newPeers.set(peer, tries - 1)
    }
    const recent = host
      .peers()
      .filter(({ connectedAtMs }) => clock.epochMs() - connectedAtMs < RECENT_MS)
      .sort((a, b) => b.connectedAtMs - a.connectedAtMs)
      .slice(0, MAX_PUSH_RECIPIENTS)
    await Promise.all(
      recent.map(async (recipient) => {
        const peers = shareablePeers(recipient, newPeers)
        if (peers.length > 0) await this.#exchange(recipient.peer, { type: 'peers', peers }, signal)
      }),
    )
  }

  /** Sends `message` and, when it is a question, takes in the answer. False when that failed; never rejects. */
  async #exchange(peer: PeerId, message: PeerMessage, signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await ask(this.#deps, PEER_EXCHANGE, { peer, request: message, signal })
      if (message.type === 'peers') {
        if (answer !== undefined) throw misbehaved('an answer to no question')
        return true
      }
      if (answer === undefined) throw new CatalogError('PEER_UNREACHABLE', 'no answer')
      if (answer.type !== 'peers') throw misbehaved('a question for an answer')
      if (answer.peers.length > message.max) throw misbehaved('more peers than asked for')
      this.#acceptPeers(peer, answer.peers)
      return true
    } catch (error) {
      if (!signal.aborted) this.#onBroken(peer, error)
      return false
    }
  }

  async #answer(message: PeerMessage, from: PeerId): Promise<PeerMessage | undefined> {
    const nowMs = this.#deps.clock.now()
    const budgets = this.#budgetsOf(from)
    if (message.type === 'peers') {
      if (!budgets.pushes.take(1, nowMs)) throw misbehaved('too much news')
      this.#acceptPeers(from, message.peers)
      return undefined
    }
    if (!budgets.asks.take(1, nowMs)) throw new CatalogError('PEER_BUSY', 'asked too often')
    return { type: 'peers', peers: await this.#samplePeers(from, message.max) }
  }

  /** A random choice of the peers we are connected to, with addresses fit for `asker`. */
  async #samplePeers(asker: PeerId, max: number): Promise<readonly KnownPeer[]> {
    const { host } = this.#deps
    const connections = host.peers()
    const to = connections.find(({ peer }) => peer === asker)
    if (to === undefined) return []
    const known: KnownPeer[] = []
    for (const { peer } of shuffled(connections, this.#deps.random)) {
      if (known.length >= max) break
      known.push(...shareablePeers(to, [{ peer, addresses: await host.addressesOf(peer) }]))
    }
    return known
  }

  #acceptPeers(from: PeerId, peers: readonly KnownPeer[]): void {
    const connection = this.#deps.host.peers().find(({ peer }) => peer === from)
    if (connection === undefined) return
    // What may not be told over this connection is not believed over it either.
    this.#dialer.learn(shareablePeers(connection, peers), connection.address)
  }

  #onBroken(peer: PeerId, error: unknown): void {
    const { log, onMisbehaviour } = this.#deps
    log.debug('peers.exchange.failed', { peer, error })
    if (isCatalogError(error, 'PEER_MISBEHAVED')) onMisbehaviour(peer, `peers: ${error.message}`)
  }

  #budgetsOf(peer: PeerId): { asks: TokenBucket; pushes: TokenBucket } {
    const budgets = this.#budgets.get(peer) ?? {
      asks: new TokenBucket(ASK_BUDGET),
      pushes: new TokenBucket(PUSH_BUDGET),
    }
    this.#budgets.set(peer, budgets)
    return budgets
  }
}

/** The loops that call it look at the signal themselves. */
async function sleepUnlessAborted(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(ms, signal).catch(() => undefined)
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', what)
}
