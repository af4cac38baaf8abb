/**
 * Announces artifacts in the DHT, in the background: one announcement walks the network for seconds, so they go out at a
 * bounded rate, a few at once, and wait while no DHT server takes them. No caller ever waits for an announcement.
 * docs/protocol.md, section DHT
 */
import { backOffMs } from '../../timing/back-off.ts'
import type { Clock } from '../../timing/clock.ts'
import { digestToBytes, type Digest } from '../../content/digest.ts'
import { CatalogError } from '../../errors.ts'
import type { Host, ContentRouting } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import type { Random } from '../../random.ts'
import { AnnouncePlan } from './announce-plan.ts'
import { withDeadline } from '../../timing/deadline.ts'
import { createWakeup, type Wakeup } from '../../timing/wakeup.ts'

const CONCURRENCY = 3
const SPACING_MS = 200
const PROVIDE_TIMEOUT_MS = 60_000
const BACK_OFF = { firstMs: 5_000, maxMs: 600_000 }
/** One that fails may be bad luck. So many in a row are worth a line in the log, now and then. */
const WARN_FAILURES = 3
const WARN_EVERY_MS = 3_600_000
const FOREVER_MS = 3_600_000
const RECHECK_MS = 1000
/** Artifacts kept announced: what 5/s can repeat within 12 h. */
const MAX_TRACKED = 200_000

interface AnnouncerDeps {
  readonly host: Host
  readonly routing: ContentRouting
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export class Announcer {
  readonly #deps: AnnouncerDeps
  readonly #plan = new AnnouncePlan({ maxTracked: MAX_TRACKED })
  readonly #wakeup: Wakeup
  /** Announced at least once, so there is something to withdraw. */
  readonly #told = new Set<Digest>()
  readonly #toWithdraw = new Set<Digest>()
  readonly #active = new Map<Digest, Promise<void>>()
  #stopping = new AbortController()
  #running: Promise<void> | undefined
  #removeListener: (() => void) | undefined
  #mayStartAtMs = -Infinity
  #pausedUntilMs = -Infinity
  #failuresInRow = 0
  #failures = 0
  #mayWarnAtMs = -Infinity

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps
    this.#wakeup = createWakeup(deps.clock)
  }

  /** Announcements that wait for their turn. */
  get backlog(): number {
    return this.#plan.dueCount(this.#deps.clock.epochMs())
  }

  /** Announcements that failed, ever. */
  get failures(): number {
    return this.#failures
  }

  /** The last one has failed. */
  get isFailing(): boolean {
    return this.#failuresInRow > 0
  }

  start(): void {
    if (this.#running !== undefined) return
    this.#stopping = new AbortController()
    this.#removeListener = this.#deps.host.onEvent(({ type }) => {
      if (type === 'connected') this.#onConnected()
    })
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#removeListener?.()
    this.#stopping.abort(new CatalogError('NODE_STOPPED', 'discovery has stopped'))
    await this.#running
    await Promise.all(this.#active.values())
    this.#running = undefined
  }

  announce(digest: Digest): void {
    this.#toWithdraw.delete(digest)
    if (this.#plan.add(digest)) this.#wakeup.wake()
  }

  withdraw(digest: Digest): void {
    this.#plan.remove(digest)
    if (!this.#told.has(digest) && !this.#active.has(digest)) return
    this.#toWithdraw.add(digest)
    this.#wakeup.wake()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.#step(signal)
      // Its only rejection is the abort that the loop looks for.
      if (waitMs > 0) await this.#wakeup.wait(waitMs, signal).catch(() => undefined)
    }
  }

  /** Begins one thing if it may; returns how long there is nothing to begin, unless something happens. */
  #step(signal: AbortSignal): number {
    const { clock, host } = this.#deps
    if (this.#active.size >= CONCURRENCY) return FOREVER_MS
    const isFree = (digest: Digest): boolean => !this.#active.has(digest)
    const unwanted = findFirst(this.#toWithdraw, isFree)
    if (unwanted !== undefined) {
      this.#begin(unwanted, this.#takeBack(unwanted, signal))
      return 0
    }
    if (host.peers().length === 0) return FOREVER_MS
    const waitMs = Math.max(this.#pausedUntilMs, this.#mayStartAtMs) - clock.now()
    if (waitMs > 0) return waitMs
    const digest = this.#plan.take(clock.epochMs(), isFree)
    if (digest !== undefined) {
      this.#mayStartAtMs = clock.now() + SPACING_MS
      this.#begin(digest, this.#provide(digest, signal))
      return 0
    }
    const dueInMs = this.#plan.nextDueMs() - clock.epochMs()
    return Math.min(FOREVER_MS, Math.max(RECHECK_MS, dueInMs))
  }

  /** `work` never rejects. */
  #begin(digest: Digest, work: Promise<void>): void {
    const done = work.finally(() => {
      this.#active.delete(digest)
      this.#wakeup.wake()
    })
    this.#active.set(digest, done)
  }

  async #provide(digest: Digest, signal: AbortSignal): Promise<void> {
    const { clock, random, routing, log } = this.#deps
    const key = digestToBytes(digest)
    try {
      const limits = { clock, timeoutMs: PROVIDE_TIMEOUT_MS, signal }
      await withDeadline(limits, (limit) => routing.provide(key, { signal: limit }))
      this.#failuresInRow = 0
      this.#told.add(digest)
      if (this.#toWithdraw.has(digest)) return
      this.#plan.announced(digest, clock.epochMs(), random())
    } catch (error) {
      if (signal.aborted) return
      if (!this.#toWithdraw.has(digest)) this.#plan.failed(digest, clock.epochMs())
      this.#failures += 1
      this.#failuresInRow += 1
      const pauseMs = backOffMs(this.#failuresInRow, BACK_OFF)
      this.#pausedUntilMs = clock.now() + pauseMs
      log.debug('announce.failed', { digest, pauseMs, error })
      this.#warn(error)
    }
  }

  #warn(error: unknown): void {
    const { clock, host, log } = this.#deps
    if (this.#failuresInRow < WARN_FAILURES || clock.now() < this.#mayWarnAtMs) return
    this.#mayWarnAtMs = clock.now() + WARN_EVERY_MS
    log.warn('announce.nobody-takes', {
      error,
      waiting: this.backlog,
      peers: host.peers().length,
      hint: 'peers beyond the swarm will not find what is here until one that can be reached joins, as with --bootstrap-server',
    })
  }

  async #takeBack(digest: Digest, signal: AbortSignal): Promise<void> {
    const { clock, routing, log } = this.#deps
    try {
      const limits = { clock, timeoutMs: PROVIDE_TIMEOUT_MS, signal }
      await withDeadline(limits, () => routing.withdraw(digestToBytes(digest)))
    } catch (error) {
      // The records expire by themselves; a peer that follows one meanwhile is answered NOT_FOUND.
      if (!signal.aborted) log.debug('withdraw.failed', { digest, error })
    }
    this.#told.delete(digest)
    this.#toWithdraw.delete(digest)
  }

  /** A server may be there now: the reason for waiting may be gone. */
  #onConnected(): void {
    const soonMs = this.#deps.clock.now() + BACK_OFF.firstMs
    this.#pausedUntilMs = Math.min(this.#pausedUntilMs, soonMs)
    this.#wakeup.wake()
  }
}

function findFirst(digests: Iterable<Digest>, isWanted: (digest: Digest) => boolean) {
  for (const digest of digests) if (isWanted(digest)) return digest
  return undefined
}
