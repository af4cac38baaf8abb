/**
 * Keeps this node in a swarm: dials the peers it remembers and the bootstrap addresses at start, and again, less and less
 * often, while it has few peers; dials peers that show themselves on the LAN. All in the background: nothing here fails a
 * start. It never takes more than its part of the connections, and never dials a peer that was left on purpose.
 */
import { LRUCache } from 'lru-cache'
import PQueue from 'p-queue'
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { createRepeatLog } from '../../limits/repeat-log.ts'
import type { Logger } from '../../log.ts'
import { jittered, type Random } from '../../random.ts'
import type { PeerId } from '../host.ts'

/** With peers at fewer addresses than this, go on looking: the ids of one address may all be one peer's. */
const ENOUGH_GROUPS = 4
const MAX_REMEMBERED = 32
const MAX_DIALS = 8
const DIAL_TIMEOUT_MS = 10_000
const FIRST_PAUSE_MS = 1_000
const LAST_PAUSE_MS = 60_000
/** A peer that was left on purpose is not dialled for so long. */
const LEAVE_MS = 10 * 60_000
const MAX_LEFT = 1000
/** A peer that is gone sooner than this after it has let us in is gone back to less and less often. */
const SETTLED_MS = 2 * LAST_PAUSE_MS
/** Discovered peers are dialled only while this part of the connections is free for peers that dial us. */
const FREE_PART = 0.25
const MAX_DIALLED_PART = 0.5
/** Peers seen on the LAN that wait for their dial; the oldest is dropped for a new one, as it will show itself again. */
const MAX_WAITING = 64
const MAX_LAN_DIALS = 4

export interface PeerFinder {
  start(): void
  stop(): Promise<void>
  /** A peer shows itself on the LAN; its addresses are known. */
  found(peer: PeerId): void
  /** There are so few peers that it goes on looking. */
  readonly isLonely: boolean
  /** Bootstrap addresses of which no dial has ended yet, whether a peer has let us in or not. */
  readonly unmet: number
  /** A connection was lost: look again soon, though not at once, for the peer may have meant it. */
  onDisconnected(): void
  /** We left this peer on purpose: do not come back for a while. */
  onLeft(peer: PeerId): void
}

export interface PeerFinderDeps {
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
  readonly dial: (target: string, options: { signal: AbortSignal }) => Promise<PeerId>
  readonly remembered: (limit: number) => Promise<readonly PeerId[]>
  readonly isConnected: (peer: PeerId) => boolean
  /** Address groups that we have a connection with. */
  readonly connectedGroups: () => number
  /** Connections that we have opened. */
  readonly dialledPeers: () => number
}

export interface PeerFinderOptions {
  readonly bootstrap: readonly string[]
  readonly maxConnections: number
}

export function createPeerFinder(deps: PeerFinderDeps, options: PeerFinderOptions): PeerFinder {
  return new SwarmKeeper(deps, options)
}

/** Dials targets, each at most once at a time, and none whose peer is connected or was left. */
class Dialer {
  readonly #deps: PeerFinderDeps
  readonly #stopped: AbortSignal
  readonly #queue = new PQueue({ concurrency: MAX_DIALS })
  readonly #underWay = new Set<string>()
  /** A bootstrap address may lack a peer id; which peer answers there is known after the first dial. */
  readonly #answeredBy = new Map<string, PeerId>()
  readonly #left = new LRUCache<PeerId, true>({ max: MAX_LEFT, ttl: LEAVE_MS })
  /** When each has let us in, and for how long it is then left alone: a private swarm lets anybody in, and out again at once. */
  readonly #lastIn = new LRUCache<PeerId, { atMs: number; pauseMs: number }>({ max: MAX_LEFT })

  constructor(deps: PeerFinderDeps, stopped: AbortSignal) {
    this.#deps = deps
    this.#stopped = stopped
  }

  /** Resolves when the dial has ended, either way. */
  dial(target: string): Promise<void> {
    const peer = this.#answeredBy.get(target) ?? target
    const isUnwanted = this.#left.has(peer) || this.#deps.isConnected(peer) || this.#isResting(peer)
    if (this.#underWay.has(target) || isUnwanted) return Promise.resolve()
    this.#underWay.add(target)
    return this.#queue.add(() => this.#dialOnce(target))
  }

  onLeft(peer: PeerId): void {
    this.#left.set(peer, true)
  }

  /** Not queue.clear(): what was waiting would never settle. It ends at once, as everything here heeds the signal. */
  onIdle(): Promise<void> {
    return this.#queue.onIdle()
  }

  async #dialOnce(target: string): Promise<void> {
    if (this.#stopped.aborted) return
    try {
      const signal = AbortSignal.any([
        this.#stopped,
        timeoutSignal(this.#deps.clock, DIAL_TIMEOUT_MS),
      ])
      const peer = await this.#deps.dial(target, { signal })
      this.#answeredBy.set(target, peer)
      this.#letIn(peer)
    } catch (error) {
      this.#deps.log.debug('host.dial-failed', { target, error })
    } finally {
      this.#underWay.delete(target)
    }
  }

  #isResting(peer: PeerId): boolean {
    const last = this.#lastIn.get(peer)
    return last !== undefined && this.#deps.clock.now() < last.atMs + last.pauseMs
  }

  #letIn(peer: PeerId): void {
    const atMs = this.#deps.clock.now()
    const last = this.#lastIn.get(peer)
    const isBack = last !== undefined && atMs - last.atMs < SETTLED_MS
    const pauseMs = isBack ? Math.min(Math.max(2 * last.pauseMs, FIRST_PAUSE_MS), LAST_PAUSE_MS) : 0
    this.#lastIn.set(peer, { atMs, pauseMs })
  }
}

/** Peers seen on the LAN, dialled a few at a time so that bootstrap addresses and remembered peers have their turn too. */
class LanDials {
  readonly #dialer: Dialer
  readonly #stopped: AbortSignal
  readonly #waiting = new Set<PeerId>()
  #running = 0

  constructor(dialer: Dialer, stopped: AbortSignal) {
    this.#dialer = dialer
    this.#stopped = stopped
  }

  add(peer: PeerId): void {
    this.#waiting.add(peer)
    for (const oldest of this.#waiting) {
      if (this.#waiting.size <= MAX_WAITING) break
      this.#waiting.delete(oldest)
    }
    this.#dialWaiting()
  }

  clear(): void {
    this.#waiting.clear()
  }

  #dialWaiting(): void {
    for (const peer of this.#waiting) {
      if (this.#running >= MAX_LAN_DIALS || this.#stopped.aborted) return
      this.#waiting.delete(peer)
      this.#running += 1
      void this.#dialer.dial(peer).finally(() => {
        this.#running -= 1
        this.#dialWaiting()
      })
    }
  }
}

class SwarmKeeper implements PeerFinder {
  readonly #deps: PeerFinderDeps
  readonly #options: PeerFinderOptions
  readonly #stopped = new AbortController()
  readonly #dialer: Dialer
  readonly #lan: LanDials
  readonly #logLookFailed: ReturnType<typeof createRepeatLog>
  /** Bootstrap addresses. */
  readonly #tried = new Set<string>()
  #pause = new AbortController()
  #loop: Promise<void> | undefined

  constructor(deps: PeerFinderDeps, options: PeerFinderOptions) {
    this.#deps = deps
    this.#options = options
    this.#dialer = new Dialer(deps, this.#stopped.signal)
    this.#lan = new LanDials(this.#dialer, this.#stopped.signal)
    this.#logLookFailed = createRepeatLog(deps, 'host.look-failed')
  }

  start(): void {
    this.#loop = this.#run().catch((error: unknown) =>
      this.#deps.log.error('host.peer-finder-failed', { error }),
    )
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#lan.clear()
    await this.#loop
    await this.#dialer.onIdle()
  }

  get isLonely(): boolean {
    return this.#deps.connectedGroups() < ENOUGH_GROUPS
  }

  get unmet(): number {
    return this.#options.bootstrap.filter((target) => !this.#tried.has(target)).length
  }

  found(peer: PeerId): void {
    if (this.#wantsMore()) this.#lan.add(peer)
  }

  onDisconnected(): void {
    this.#pause.abort()
  }

  onLeft(peer: PeerId): void {
    this.#dialer.onLeft(peer)
  }

  #wantsMore(): boolean {
    const { maxConnections } = this.#options
    return (
      this.#deps.connectedGroups() < maxConnections * (1 - FREE_PART) &&
      this.#deps.dialledPeers() < maxConnections * MAX_DIALLED_PART
    )
  }

  async #run(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#stopped.signal.aborted) {
      if (this.isLonely) await this.#look()
      // A fleet that starts at one moment must not dial in step.
      this.#pause = new AbortController()
      const cut = AbortSignal.any([this.#stopped.signal, this.#pause.signal])
      const wasCut = await this.#sleep(jittered(pauseMs, 0.25, this.#deps.random), cut)
      pauseMs = wasCut ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LAST_PAUSE_MS)
      if (wasCut) await this.#sleep(FIRST_PAUSE_MS, this.#stopped.signal)
    }
  }

  async #look(): Promise<void> {
    const { bootstrap } = this.#options
    const remembered = await this.#remembered()
    const named = bootstrap.map(async (target) => {
      await this.#dialer.dial(target)
      this.#tried.add(target)
    })
    await Promise.all([...named, ...remembered.map((target) => this.#dialer.dial(target))])
  }

  /** What is wrong with the database now may not be at the next look. */
  async #remembered(): Promise<readonly PeerId[]> {
    try {
      return await this.#deps.remembered(MAX_REMEMBERED)
    } catch (error) {
      this.#logLookFailed({ error })
      return []
    }
  }

  /** True when it was cut short: a connection was lost, or the finder stops. */
  async #sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return true
    try {
      await this.#deps.clock.sleep(ms, signal)
      return false
    } catch (error) {
      if (!signal.aborted) throw error
      return true
    }
  }
}
