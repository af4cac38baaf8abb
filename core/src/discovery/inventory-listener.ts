/**
 * What connected peers tell us they hold. Everything they send is judged (inventory-receiver.ts) and timed; whoever breaks
 * the rules is reported and not listened to again while it stays connected. docs/protocol.md, section Inventory
 */
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { createFrameSplitter } from '../wire/frames.ts'
import type { Inventory } from './inventory.ts'
import {
  decodeInventoryMessage,
  INVENTORY_PROTOCOL,
  MAX_INVENTORY_FRAME_BYTES,
} from './inventory-messages.ts'
import { InventoryReceiver } from './inventory-receiver.ts'
import { toError } from './open-stream.ts'
import { createRateBudget, type RateBudget } from './rate-budget.ts'
import { startWatchdog } from './watchdog.ts'

/** For a snapshot: this, and what its bytes take at the slowest rate we bear. */
const SNAPSHOT_MS = 30_000
const MIN_BYTES_PER_MS = 32
/** Senders are never silent for longer than 30 s. */
const SILENCE_MS = 120_000
/** A broken stream is soon replaced; until then the old list is better than none. */
const STALE_MS = 30_000
/** Streams a peer may open: each may carry 8 MB. */
const REOPEN_BUDGET = { burst: 10, perSecond: 1 / 15 }

export interface InventoryListenerDeps {
  readonly host: Host
  readonly clock: Clock
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
}

interface Teller {
  readonly reopenBudget: RateBudget
  inventory: Inventory | undefined
  stream: ByteStream | undefined
  /** When the stream that brought `inventory` broke; undefined while it lives. */
  staleSinceMs: number | undefined
  isRefused: boolean
}

export class InventoryListener {
  readonly #deps: InventoryListenerDeps
  readonly #tellers = new Map<PeerId, Teller>()
  readonly #tasks = new Set<Promise<void>>()
  #isRunning = false
  #isHandling = false

  constructor(deps: InventoryListenerDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#isRunning = true
    // A host has no way to take a handler back; a stopped listener refuses.
    if (this.#isHandling) return
    this.#isHandling = true
    // Two: a new stream may arrive before the end of the old one has.
    const options = { maxStreamsPerPeer: 2 }
    this.#deps.host.handle(INVENTORY_PROTOCOL, (stream) => this.#handle(stream), options)
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    for (const peer of [...this.#tellers.keys()]) this.disconnected(peer)
    await Promise.all(this.#tasks)
  }

  disconnected(peer: PeerId): void {
    const teller = this.#tellers.get(peer)
    this.#tellers.delete(peer)
    teller?.stream?.abort(new CatalogError('NODE_STOPPED', 'no longer listening', { peer }))
  }

  /** Connected peers that list `prefix`. */
  holders(prefix: bigint): PeerId[] {
    const found: PeerId[] = []
    for (const [peer, teller] of this.#tellers) {
      if (teller.inventory?.has(prefix) === true && this.#isFresh(teller)) found.push(peer)
    }
    return found
  }

  /** Prefixes that `peer` lists; 0 when it has told nothing. */
  sizeOf(peer: PeerId): number {
    const teller = this.#tellers.get(peer)
    return teller?.inventory !== undefined && this.#isFresh(teller) ? teller.inventory.size : 0
  }

  /** Peers that have told us their inventory. */
  get count(): number {
    let count = 0
    for (const teller of this.#tellers.values()) {
      if (teller.inventory !== undefined && this.#isFresh(teller)) count += 1
    }
    return count
  }

  #isFresh(teller: Teller): boolean {
    return (
      teller.staleSinceMs === undefined || this.#deps.clock.now() - teller.staleSinceMs < STALE_MS
    )
  }

  #handle(stream: ByteStream): Promise<void> {
    const task = this.#listen(stream).finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
    return task
  }

  async #listen(stream: ByteStream): Promise<void> {
    const { peer } = stream
    const teller = this.#admit(stream)
    if (teller === undefined) {
      stream.abort(new CatalogError('PEER_REFUSED', 'inventory not wanted', { peer }))
      return
    }
    teller.stream?.abort(new CatalogError('PEER_UNREACHABLE', 'replaced by a newer stream'))
    teller.stream = stream
    try {
      await this.#receive(stream, teller)
      // A clean end: it will not tell us any more.
      if (teller.stream === stream) this.#forget(teller)
      await stream.end()
    } catch (error) {
      this.#onBroken(stream, teller, error)
    }
  }

  #admit(stream: ByteStream): Teller | undefined {
    const { peer } = stream
    if (!this.#isRunning) return undefined
    const teller: Teller = this.#tellers.get(peer) ?? {
      reopenBudget: createRateBudget(REOPEN_BUDGET),
      inventory: undefined,
      stream: undefined,
      staleSinceMs: undefined,
      isRefused: false,
    }
    if (teller.isRefused) return undefined
    this.#tellers.set(peer, teller)
    if (teller.reopenBudget.take(1, this.#deps.clock.now())) return teller
    this.#refuse(peer, teller, 'opened again too often')
    return undefined
  }

  /** Resolves when the peer has ended its side. */
  async #receive(stream: ByteStream, teller: Teller): Promise<void> {
    const { clock } = this.#deps
    const receiver = new InventoryReceiver()
    const splitter = createFrameSplitter(MAX_INVENTORY_FRAME_BYTES)
    const watchdog = startWatchdog(clock, SNAPSHOT_MS, () => this.#onStall(stream, receiver))
    try {
      for await (const bytes of stream.source) {
        for (const body of splitter.push(bytes)) {
          const message = decodeInventoryMessage(body)
          receiver.accept(message, clock.now())
          if (message.type === 'snapshot') {
            watchdog.extend(SNAPSHOT_MS + (message.count * 8) / MIN_BYTES_PER_MS)
          } else if (receiver.inventory !== undefined) {
            watchdog.extend(SILENCE_MS)
            if (teller.stream === stream) {
              teller.inventory = receiver.inventory
              teller.staleSinceMs = undefined
            }
          }
        }
      }
    } finally {
      watchdog.stop()
    }
  }

  /**
   * Silence is a breach only in the middle of a snapshot; else it is how a suspended machine looks. It may try again: the
   * network may have been to blame.
   */
  #onStall(stream: ByteStream, receiver: InventoryReceiver): void {
    const { peer } = stream
    stream.abort(new CatalogError('PEER_TIMEOUT', 'inventory stream stalled', { peer }))
    if (receiver.isInSnapshot) this.#deps.onMisbehaviour(peer, 'inventory: snapshot stalled')
  }

  #onBroken(stream: ByteStream, teller: Teller, error: unknown): void {
    const { host, log } = this.#deps
    const { peer } = stream
    stream.abort(toError(error))
    if (teller.stream === stream) {
      teller.stream = undefined
      teller.staleSinceMs ??= this.#deps.clock.now()
    }
    if (isCatalogError(error, 'PEER_MISBEHAVED')) this.#refuse(peer, teller, error.message)
    else log.debug('inventory.receive.broken', { peer, error })
    if (!host.isConnected(peer)) this.#tellers.delete(peer)
  }

  #refuse(peer: PeerId, teller: Teller, reason: string): void {
    if (teller.isRefused) return
    teller.isRefused = true
    teller.stream?.abort(new CatalogError('PEER_REFUSED', reason, { peer }))
    this.#forget(teller)
    this.#deps.log.debug('inventory.refused', { peer, reason })
    this.#deps.onMisbehaviour(peer, `inventory: ${reason}`)
  }

  #forget(teller: Teller): void {
    teller.inventory = undefined
    teller.stream = undefined
    teller.staleSinceMs = undefined
  }
}
