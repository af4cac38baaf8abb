/**
 * Tells connected peers what we hold: to each one long-lived stream with a snapshot, then changes. Changes are batched and
 * encoded once for all peers; a peer that does not keep up gets its stream dropped and starts again with a new snapshot, so
 * nothing here grows with a slow peer. It lists only what it is told to. docs/protocol.md, section Inventory
 */
import { backOffMs } from '../../timing/back-off.ts'
import type { Clock } from '../../timing/clock.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { ByteStream, Host, PeerId } from '../../host/host.ts'
import type { Logger } from '../../log.ts'
import { jittered, type Random } from '../../random.ts'
import type { Inventory } from './inventory.ts'
import {
  encodeInventoryMessage,
  encodeSnapshot,
  INVENTORY_PROTOCOL,
} from '../../wire/inventory-messages.ts'
import { PendingChanges } from './inventory-changes.ts'
import { openStream, toError } from '../../rpc/open-stream.ts'
import { createWakeup, type Wakeup } from '../../timing/wakeup.ts'
import { startWatchdog, type Watchdog } from '../../timing/watchdog.ts'

const OPEN_TIMEOUT_MS = 10_000
/** A write that is not taken for so long ends the stream. */
const STALL_MS = 60_000
/**
 * A list holds as long as its stream and connection do, and a peer that is gone ends those: QUIC and silent-connections.ts see to it.
 * A sign of life is only for a process that hangs while its transport goes on, so it is rare: a hundred peers' were most of what a
 * node did at rest.
 */
const KEEP_ALIVE_MS = 600_000
const GOODBYE_MS = 1000
/** A session that lasted this long was no failure. */
const STEADY_MS = 60_000
const BACK_OFF = { firstMs: 1_000, maxMs: 60_000 }
/** For a peer that does not speak the protocol: it may be starting still, or be something else altogether. */
const UNSUPPORTED = { ...BACK_OFF, maxMs: 600_000 }
const MAX_QUEUED_FRAMES = 128
const FOREVER_MS = 3_600_000

const ALIVE = encodeInventoryMessage({ type: 'alive' })

export interface InventorySenderDeps {
  readonly host: Host
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
  /** What we list; changed by the caller, who then calls `changed`. */
  readonly listed: Inventory
}

interface Session {
  readonly stream: ByteStream
  readonly queue: Uint8Array[]
  readonly wakeup: Wakeup
  readonly watchdog: Watchdog
  isOver: boolean
}

export class InventorySender {
  readonly #deps: InventorySenderDeps
  readonly #pending: PendingChanges
  readonly #changed: Wakeup
  readonly #sessions = new Set<Session>()
  readonly #peers = new Map<PeerId, AbortController>()
  readonly #tasks = new Set<Promise<void>>()
  #stopping = new AbortController()

  constructor(deps: InventorySenderDeps) {
    this.#deps = deps
    this.#pending = new PendingChanges()
    this.#changed = createWakeup(deps.clock)
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#track(this.#flushLoop(this.#stopping.signal))
  }

  /** Says goodbye on each stream; afterwards nothing of it runs. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CatalogError('NODE_STOPPED', 'discovery has stopped'))
    for (const peer of [...this.#peers.keys()]) this.disconnected(peer)
    await Promise.all(this.#tasks)
  }

  connected(peer: PeerId): void {
    if (this.#peers.has(peer) || this.#stopping.signal.aborted) return
    const leaving = new AbortController()
    this.#peers.set(peer, leaving)
    this.#track(this.#maintainSession(peer, leaving.signal))
  }

  disconnected(peer: PeerId): void {
    this.#peers.get(peer)?.abort(new CatalogError('PEER_UNREACHABLE', 'disconnected', { peer }))
    this.#peers.delete(peer)
  }

  /** The caller has put `prefix` on the list, or taken it off. */
  changed(prefix: number, isListed: boolean): void {
    // Whoever connects later gets a snapshot.
    if (this.#sessions.size === 0) return
    this.#pending.set(prefix, isListed)
    this.#changed.wake()
  }

  async #flushLoop(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    for (;;) {
      await this.#changed.wait(FOREVER_MS, signal)
      while (this.#pending.size > 0) {
        await clock.sleep(this.#pending.windowMs(this.#sessions.size, clock.now()), signal)
        this.#flush()
      }
    }
  }

  #flush(): void {
    const frames = this.#pending.take(this.#deps.clock.now())
    for (const session of this.#sessions) {
      if (session.queue.length + frames.length > MAX_QUEUED_FRAMES) {
        endSession(session, new CatalogError('PEER_TIMEOUT', 'peer too slow for our inventory'))
        continue
      }
      session.queue.push(...frames)
      session.wakeup.wake()
    }
  }

  async #maintainSession(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps
    let failures = 0
    while (!signal.aborted) {
      const startedAtMs = clock.now()
      let growth = BACK_OFF
      try {
        await this.#runSession(peer, signal)
      } catch (error) {
        if (signal.aborted) return
        log.debug('inventory.send.broken', { peer, error })
        if (isCatalogError(error, 'PEER_REFUSED')) growth = UNSUPPORTED
      }
      failures = clock.now() - startedAtMs > STEADY_MS ? 0 : failures + 1
      const waitMs = backOffMs(Math.max(1, failures), growth)
      // Jitter, so that peers of a node that hiccuped do not all come back at once.
      await clock.sleep(jittered(waitMs, 0.25, this.#deps.random), signal)
    }
  }

  async #runSession(peer: PeerId, signal: AbortSignal): Promise<void> {
    const target = { peer, protocol: INVENTORY_PROTOCOL }
    const stream = await openStream(this.#deps, target, { timeoutMs: OPEN_TIMEOUT_MS, signal })
    const { clock } = this.#deps
    const session: Session = {
      stream,
      queue: [],
      wakeup: createWakeup(clock),
      watchdog: startWatchdog(clock, STALL_MS, () =>
        endSession(session, new CatalogError('PEER_TIMEOUT', 'peer does not read our inventory')),
      ),
      isOver: false,
    }
    const onAbort = (): void => session.watchdog.extend(GOODBYE_MS)
    signal.addEventListener('abort', onAbort, { once: true })
    const listening = this.#refuseInput(session)
    try {
      await this.#write(session, signal)
      // We are leaving. A clean end tells the peer to forget our list at once.
      await stream.end()
      await listening
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#sessions.delete(session)
      endSession(session, new CatalogError('NODE_STOPPED', 'inventory session over'))
      await listening
    }
  }

  /** Returns when `signal` aborts, throws when the stream breaks. */
  async #write(session: Session, signal: AbortSignal): Promise<void> {
    const { stream, queue, wakeup, watchdog } = session
    // From here on changes reach the session: the snapshot holds all those before.
    const snapshot = this.#deps.listed.toSorted()
    this.#sessions.add(session)
    for (const frame of encodeSnapshot(snapshot)) {
      if (signal.aborted) return
      await stream.write(frame)
      if (!signal.aborted) watchdog.extend(STALL_MS)
    }
    if (!signal.aborted) watchdog.extend(KEEP_ALIVE_MS + STALL_MS)
    let wroteAtMs = this.#deps.clock.now()
    while (!session.isOver && !signal.aborted) {
      const idleMs = this.#deps.clock.now() - wroteAtMs
      const frame = queue.shift() ?? (idleMs >= KEEP_ALIVE_MS ? ALIVE : undefined)
      if (frame === undefined) {
        // Its only rejection is the abort that the loop looks for.
        await wakeup.wait(KEEP_ALIVE_MS - idleMs, signal).catch(() => undefined)
        continue
      }
      watchdog.extend(STALL_MS)
      await stream.write(frame)
      wroteAtMs = this.#deps.clock.now()
      if (!signal.aborted) watchdog.extend(KEEP_ALIVE_MS + STALL_MS)
    }
  }

  /** The peer has nothing to say on this stream; its end or reset ends the session. */
  async #refuseInput(session: Session): Promise<void> {
    const { peer, source } = session.stream
    try {
      for await (const bytes of source) {
        if (bytes.byteLength === 0) continue
        const reason = 'inventory: spoke on a stream that is ours to speak on'
        this.#deps.onMisbehaviour(peer, reason)
        endSession(session, new CatalogError('PEER_MISBEHAVED', reason, { peer }))
        return
      }
      endSession(session, new CatalogError('PEER_UNREACHABLE', 'peer stopped listening', { peer }))
    } catch (error) {
      endSession(session, toError(error))
    }
  }

  #track(task: Promise<void>): void {
    const done = task
      .catch((error: unknown) => {
        const isEnd = this.#stopping.signal.aborted || isCatalogError(error, 'PEER_UNREACHABLE')
        if (!isEnd) this.#deps.log.error('inventory.send.failed', { error })
      })
      .finally(() => this.#tasks.delete(done))
    this.#tasks.add(done)
  }
}

function endSession(session: Session, reason: Error): void {
  session.watchdog.stop()
  if (session.isOver) return
  session.isOver = true
  session.stream.abort(reason)
  session.wakeup.wake()
}
