/**
 * What connected peers tell us they hold. Everything they send is judged (inventory-receiver.ts) and timed; whoever breaks
 * the rules is reported and not listened to again while it stays connected. Memory and changes a second are shared by address. docs/protocol.md, section Inventory
 */
import type { Clock } from '../../timing/clock.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { ByteStream, Host, PeerId } from '../../host/host.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import { FairPace } from '../../limits/fair-pace.ts'
import { FairShare, type Holding } from '../../limits/fair-share.ts'
import type { Logger } from '../../log.ts'
import { createFrameSplitter } from '../../wire/frames.ts'
import type { Inventory, InventoryCounts } from './inventory.ts'
import {
  decodeInventoryMessage,
  INVENTORY_PROTOCOL,
  MAX_INVENTORY_FRAME_BYTES,
  PREFIX_BYTES,
  type InventoryMessage,
} from '../../wire/inventory-messages.ts'
import { costOf, INVENTORY_LIMITS, type InventoryLimits } from './inventory-limits.ts'
import { InventorySession } from './inventory-session.ts'
import { toError } from '../../rpc/open-stream.ts'
import { TokenBucket } from '../../limits/token-bucket.ts'
import { startWatchdog, type Watchdog } from '../../timing/watchdog.ts'

/** For a snapshot: this, and what its bytes take at the slowest rate we bear. */
const SNAPSHOT_MS = 30_000
const MIN_BYTES_PER_MS = 32
/** Once the list is told. Senders are never silent for longer than two thirds of it. */
const SILENCE_MS = 900_000
/** From a wait that is not the sender's fault, in whatever it was telling. */
const AFTER_WAIT_MS = 120_000
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

/** A whole snapshot may wait for its turn; what all streams may hold unread is less (host/libp2p/stream-registry.ts). */
const STREAM_OPTIONS = { maxStreamsPerPeer: 2, maxUnreadBytes: 9 * 1024 * 1024 }

interface RemoteInventory {
  readonly group: AddressGroup
  readonly memory: Holding
  readonly reopenBudget: TokenBucket
  inventory: Inventory | undefined
  session: InventorySession | undefined
  stream: ByteStream | undefined
  /** When the stream that brought `inventory` broke; undefined while it lives. */
  staleSinceMs: number | undefined
  isRefused: boolean
}

export class InventoryListener {
  readonly #deps: InventoryListenerDeps
  readonly #remotes = new Map<PeerId, RemoteInventory>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #memory: FairShare<PeerId>
  readonly #pace: FairPace
  #isRunning = false
  #isHandling = false

  constructor(deps: InventoryListenerDeps, limits: InventoryLimits = INVENTORY_LIMITS) {
    this.#deps = deps
    this.#memory = new FairShare(limits.memory)
    this.#pace = new FairPace(deps.clock, limits.pace)
  }

  start(): void {
    this.#isRunning = true
    // A host has no way to take a handler back; a stopped listener refuses.
    if (this.#isHandling) return
    this.#isHandling = true
    // Two streams: a new one may arrive before the end of the old one has.
    this.#deps.host.handle(INVENTORY_PROTOCOL, (stream) => this.#handle(stream), STREAM_OPTIONS)
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    for (const peer of [...this.#remotes.keys()]) this.disconnected(peer)
    this.#pace.stop()
    await Promise.all(this.#tasks)
  }

  disconnected(peer: PeerId): void {
    const remote = this.#remotes.get(peer)
    this.#remotes.delete(peer)
    remote?.memory.release()
    remote?.stream?.abort(new CatalogError('NODE_STOPPED', 'no longer listening', { peer }))
  }

  /** Connected peers that list `prefix`. */
  holders(prefix: number): PeerId[] {
    const found: PeerId[] = []
    for (const [peer, remote] of this.#remotes) {
      if (remote.inventory?.has(prefix) === true && this.#isFresh(remote)) found.push(peer)
    }
    return found
  }

  /** Whether `peer` has told all that it holds. */
  hasTold(peer: PeerId): boolean {
    return this.#remotes.get(peer)?.inventory !== undefined
  }

  /** Artifacts and names that `peer` lists; none when it has told nothing. */
  countsOf(peer: PeerId): InventoryCounts {
    const remote = this.#remotes.get(peer)
    return remote?.inventory !== undefined && this.#isFresh(remote)
      ? remote.inventory.counts
      : { artifacts: 0, names: 0 }
  }

  /** Peers that have told us their inventory. */
  get count(): number {
    let count = 0
    for (const remote of this.#remotes.values()) {
      if (remote.inventory !== undefined && this.#isFresh(remote)) count += 1
    }
    return count
  }

  #isFresh(remote: RemoteInventory): boolean {
    return (
      remote.staleSinceMs === undefined || this.#deps.clock.now() - remote.staleSinceMs < STALE_MS
    )
  }

  #handle(stream: ByteStream): Promise<void> {
    const task = this.#listen(stream).finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
    return task
  }

  async #listen(stream: ByteStream): Promise<void> {
    const { peer } = stream
    const remote = this.#admit(stream)
    if (remote === undefined) {
      stream.abort(new CatalogError('PEER_REFUSED', 'inventory not wanted', { peer }))
      return
    }
    remote.stream?.abort(new CatalogError('PEER_UNREACHABLE', 'replaced by a newer stream'))
    remote.stream = stream
    try {
      await this.#receive(stream, remote)
      // A clean end: it will not tell us any more.
      if (remote.stream === stream) this.#forget(remote)
      await stream.end()
    } catch (error) {
      this.#onBroken(stream, remote, error)
    }
  }

  #admit(stream: ByteStream): RemoteInventory | undefined {
    const { peer } = stream
    if (!this.#isRunning) return undefined
    const remote = this.#remotes.get(peer) ?? this.#newRemote(peer)
    if (remote.isRefused) return undefined
    this.#remotes.set(peer, remote)
    if (remote.reopenBudget.take(1, this.#deps.clock.now())) return remote
    this.#refuse(peer, remote, 'opened again too often')
    return undefined
  }

  #newRemote(peer: PeerId): RemoteInventory {
    const group = this.#deps.host.groupOf(peer) ?? peer
    return {
      group,
      memory: this.#memory.open(peer, group),
      reopenBudget: new TokenBucket(REOPEN_BUDGET),
      inventory: undefined,
      session: undefined,
      stream: undefined,
      staleSinceMs: undefined,
      isRefused: false,
    }
  }

  /** Resolves when the peer has ended its side. */
  async #receive(stream: ByteStream, remote: RemoteInventory): Promise<void> {
    const session = new InventorySession(this.#deps.clock, stream)
    remote.session = session
    const splitter = createFrameSplitter(MAX_INVENTORY_FRAME_BYTES)
    const watchdog = startWatchdog(this.#deps.clock, SNAPSHOT_MS, () =>
      this.#onStall(stream, session),
    )
    try {
      for await (const bytes of stream.source) {
        if (session.receiver === undefined) {
          watchdog.extend(SILENCE_MS)
          continue
        }
        for (const body of splitter.push(bytes)) {
          const message = decodeInventoryMessage(body)
          const turn = this.#pace.take(remote.group, costOf(message))
          if (turn !== undefined) {
            watchdog.extend(AFTER_WAIT_MS)
            await turn
          }
          this.#accept(message, { stream, remote, session, watchdog })
        }
        this.#account(stream.peer, remote)
      }
    } finally {
      watchdog.stop()
      session.over()
    }
  }

  #accept(
    message: InventoryMessage,
    at: {
      stream: ByteStream
      remote: RemoteInventory
      session: InventorySession
      watchdog: Watchdog
    },
  ): void {
    const { receiver } = at.session
    if (receiver === undefined) return
    receiver.accept(message, this.#deps.clock.now())
    if (message.type === 'snapshot') {
      at.watchdog.extend(SNAPSHOT_MS + (message.count * PREFIX_BYTES) / MIN_BYTES_PER_MS)
    } else if (receiver.inventory !== undefined) {
      at.watchdog.extend(SILENCE_MS)
      if (at.remote.stream !== at.stream) return
      at.remote.inventory = receiver.inventory
      at.remote.staleSinceMs = undefined
    }
  }

  /** Counts what a peer's list takes, and lets those go that are too much for all together. */
  #account(peer: PeerId, remote: RemoteInventory): void {
    const { inventory, memory, session } = remote
    const told = session?.receiver
    const before = inventory === told?.inventory ? 0 : (inventory?.bytes ?? 0)
    memory.add(before + (told?.bytes ?? 0) - memory.amount)
    for (let next = this.#memory.offender(); next; next = this.#memory.offender()) {
      this.#deps.log.debug('inventory.shed', { peer: next, because: peer })
      const offender = this.#remotes.get(next)
      if (offender === undefined) return
      offender.session?.shed()
      offender.inventory = undefined
      offender.memory.add(-offender.memory.amount)
    }
  }

  /**
   * Silence is a breach only in the middle of a snapshot; else it is how a process looks that hangs. It may try again: the
   * network may have been to blame.
   */
  #onStall(stream: ByteStream, { receiver }: InventorySession): void {
    const { peer } = stream
    stream.abort(new CatalogError('PEER_TIMEOUT', 'inventory stream stalled', { peer }))
    if (receiver?.isInSnapshot === true)
      this.#deps.onMisbehaviour(peer, 'inventory: snapshot stalled')
  }

  #onBroken(stream: ByteStream, remote: RemoteInventory, error: unknown): void {
    const { host, log } = this.#deps
    const { peer } = stream
    stream.abort(toError(error))
    if (remote.stream === stream) {
      remote.stream = undefined
      remote.staleSinceMs ??= this.#deps.clock.now()
    }
    if (isCatalogError(error, 'PEER_MISBEHAVED')) this.#refuse(peer, remote, error.message)
    else log.debug('inventory.receive.broken', { peer, error })
    if (remote.session?.receiver?.inventory === undefined) remote.session = undefined
    this.#account(peer, remote)
    if (host.isConnected(peer)) return
    remote.memory.release()
    if (this.#remotes.get(peer) === remote) this.#remotes.delete(peer)
  }

  #refuse(peer: PeerId, remote: RemoteInventory, reason: string): void {
    if (remote.isRefused) return
    remote.isRefused = true
    remote.stream?.abort(new CatalogError('PEER_REFUSED', reason, { peer }))
    this.#forget(remote)
    this.#deps.log.debug('inventory.refused', { peer, reason })
    this.#deps.onMisbehaviour(peer, `inventory: ${reason}`)
  }

  #forget(remote: RemoteInventory): void {
    remote.inventory = undefined
    remote.session = undefined
    remote.memory.add(-remote.memory.amount)
    remote.stream = undefined
    remote.staleSinceMs = undefined
  }
}
