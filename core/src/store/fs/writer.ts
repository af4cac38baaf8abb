/**
 * Write-behind: artifacts accepted in memory reach the disk here, in groups. For each group: (1) unlink what was removed,
 * (2) write new files under temporary names, (3) one index transaction, (4) rename. So a kill at any moment leaves rows
 * without files (dropped at start-up) and temporary files (removed), never a name without its bytes. What a power failure
 * can break is in durability.ts. Never rejects: what can't be written is reported through `lost`.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Digest } from '../../content/digest.ts'
import type { DiskHealth } from './disk-health.ts'
import type { Durability } from './durability.ts'
import { statFingerprint, type FileFingerprints } from './file-fingerprint.ts'
import type { StoreFiles } from './files.ts'
import type { FsIndex, IndexChanges } from './index-rows.ts'
import type { FsLayout } from './layout.ts'
import { PendingRows } from './pending-rows.ts'
import type { StoreEntry } from '../store.ts'
import { WriteDelay } from './write-delay.ts'

/** Beyond either of these, `put` waits; beyond twice that, artifacts are not taken. */
const MAX_BACKLOG_BYTES = 128 * 1024 * 1024
export const MAX_BACKLOG_ITEMS = 2048

/** Writing begins at this backlog, or at the first rest. */
const START_BYTES = (MAX_BACKLOG_BYTES / 8) * 7
const START_ITEMS = (MAX_BACKLOG_ITEMS / 8) * 7

/** Of waiting for space in the backlog. */
const MAX_BACKLOG_WAIT_MS = 30_000
const GROUP_ITEMS = 64
const GROUP_BYTES = 16 * 1024 * 1024
// The thread pool has four threads, and reads want some.
const CONCURRENCY = 3

type PendingOperation =
  { readonly type: 'write'; readonly bytes: Uint8Array } | { readonly type: 'remove' }
type Write = { readonly digest: Digest; readonly bytes: Uint8Array; readonly temporary: string }

export interface WriterDeps {
  readonly clock: Clock
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly index: FsIndex
  readonly health: DiskHealth
  readonly durability: Durability
  readonly marks: FileFingerprints
  /** The entry as it is now; undefined when it has gone. */
  readonly entryOf: (digest: Digest) => StoreEntry | undefined
  /** Its bytes could not be written. */
  readonly lost: (digest: Digest) => void
}

export class FsWriter {
  readonly #deps: WriterDeps
  /** What is to be done, the latest per digest; in order of arrival. */
  readonly #pending = new Map<Digest, PendingOperation>()
  /** The group under way. */
  readonly #group = new Map<Digest, PendingOperation>()
  /** Rows to be written with the next `drain`. */
  readonly rows: PendingRows
  readonly #shards = new Set<string>()
  #backlogBytes = 0
  #sequence = 0
  #running: Promise<void> | undefined
  readonly #delay: WriteDelay
  #backlogSpace: PromiseWithResolvers<void> | undefined

  constructor(deps: WriterDeps) {
    this.#deps = deps
    const { durability, marks, entryOf } = deps
    this.#delay = new WriteDelay(
      deps.clock,
      () => this.#backlogBytes >= START_BYTES || this.#pending.size >= START_ITEMS,
    )
    this.rows = new PendingRows({
      durability,
      marks,
      entryOf,
      apply: (changes) => this.#apply(changes),
    })
  }

  /** Bytes that are not on disk yet. */
  pending(digest: Digest): Uint8Array | undefined {
    const operation = this.#pending.get(digest) ?? this.#group.get(digest)
    return operation?.type === 'write' ? operation.bytes : undefined
  }

  get overloaded(): boolean {
    return this.#backlogBytes > 2 * MAX_BACKLOG_BYTES || this.#pending.size > 2 * MAX_BACKLOG_ITEMS
  }

  get hasBacklogSpace(): boolean {
    return this.#backlogBytes <= MAX_BACKLOG_BYTES && this.#pending.size <= MAX_BACKLOG_ITEMS
  }

  write(digest: Digest, bytes: Uint8Array): void {
    this.#enqueue(digest, { type: 'write', bytes })
  }

  remove(digest: Digest): void {
    this.rows.drop(digest)
    this.#enqueue(digest, { type: 'remove' })
  }

  /** Resolves when the backlog is within its bounds, or after MAX_BACKLOG_WAIT_MS: a disk that takes longer has hung. */
  async untilBacklogSpace(signal?: AbortSignal): Promise<void> {
    if (this.hasBacklogSpace) return
    this.#backlogSpace ??= Promise.withResolvers()
    const done = new AbortController()
    const signals = signal ? [done.signal, signal] : [done.signal]
    const cap = this.#deps.clock.sleep(MAX_BACKLOG_WAIT_MS, AbortSignal.any(signals))
    try {
      await Promise.race([this.#backlogSpace.promise, cap])
    } catch {
      signal?.throwIfAborted() // what was put stays put; only the waiting ends
    } finally {
      done.abort()
    }
  }

  /** A download goes on: no time for what can wait. */
  onActivity(): void {
    this.#delay.onActivity()
  }

  /** Resolves when everything asked for so far is written (or lost), rows too. */
  async drain(): Promise<void> {
    await this.#delay.runUrgently(async () => {
      while (this.#running !== undefined) await this.#running
    })
    this.rows.flush()
  }

  /** Resolves when nothing asked for about `digest` is still to be done. */
  async settle(digest: Digest): Promise<void> {
    await this.#delay.runUrgently(async () => {
      while (this.#running && (this.#pending.has(digest) || this.#group.has(digest))) {
        await this.#running
      }
    })
  }

  /** Makes the folder that `digest` belongs into. */
  async makeShard(digest: Digest): Promise<void> {
    const shard = this.#deps.layout.shard(digest)
    if (this.#shards.has(shard)) return
    await this.#deps.files.makeFolder(shard)
    this.#shards.add(shard)
  }

  #enqueue(digest: Digest, operation: PendingOperation): void {
    this.#forget(digest)
    this.#pending.set(digest, operation)
    if (operation.type === 'write') this.#backlogBytes += operation.bytes.byteLength
    this.#running ??= this.#run()
    this.#delay.onQueued()
  }

  #forget(digest: Digest): void {
    const old = this.#pending.get(digest)
    if (old?.type === 'write') this.#backlogBytes -= old.bytes.byteLength
    this.#pending.delete(digest)
  }

  async #run(): Promise<void> {
    try {
      // A tick later, so that what is put in one go makes one group.
      await Promise.resolve()
      while (this.#pending.size > 0) {
        await this.#delay.untilElapsed()
        this.#takeGroup()
        await this.#writeGroup()
        for (const operation of this.#group.values()) {
          if (operation.type === 'write') this.#backlogBytes -= operation.bytes.byteLength
        }
        this.#group.clear()
        if (this.hasBacklogSpace) this.#signalBacklogSpace()
      }
    } finally {
      this.#running = undefined
      this.#signalBacklogSpace()
    }
  }

  #takeGroup(): void {
    let bytes = 0
    for (const [digest, operation] of this.#pending) {
      this.#pending.delete(digest)
      this.#group.set(digest, operation)
      if (operation.type === 'write') bytes += operation.bytes.byteLength
      if (this.#group.size >= GROUP_ITEMS || bytes >= GROUP_BYTES) return
    }
  }

  async #writeGroup(): Promise<void> {
    const { files, layout, health, durability } = this.#deps
    const removed: Digest[] = []
    const writes: Write[] = []
    for (const [digest, operation] of this.#group) {
      if (operation.type === 'remove') removed.push(digest)
      else {
        const temporary = layout.temporaryFile((this.#sequence += 1))
        writes.push({ digest, bytes: operation.bytes, temporary })
      }
    }
    await this.#each(removed, async (digest) => {
      await files.remove(layout.artifact(digest))
      durability.removed(digest)
    })
    const written = await this.#each(writes, ({ temporary, bytes }) =>
      files.create(temporary, bytes),
    )
    const recorded = this.#record(removed, written) ? written : []
    const placed = await this.#each(recorded, (write) => this.#place(write))
    if (placed.length > 0 && placed.length === writes.length) health.succeeded()
    await this.#giveUp(writes, placed)
  }

  async #place({ digest, temporary }: Write): Promise<void> {
    const { files, layout, durability, marks, entryOf } = this.#deps
    const path = layout.artifact(digest)
    await this.makeShard(digest)
    await files.rename(temporary, path)
    const mark = await statFingerprint(files, path)
    if (entryOf(digest) !== undefined) marks.note(digest, mark)
    durability.add(digest)
  }

  #record(removed: readonly Digest[], written: readonly Write[]): boolean {
    for (const { digest } of written) this.rows.forget(digest)
    const digests = written.map((write) => write.digest)
    return this.#apply({
      removed,
      entries: digests.flatMap((digest) => {
        const entry = this.#deps.entryOf(digest)
        // What it looks like is known when it has its name; durability.ts writes that.
        return entry ? [{ ...entry, synced: false, mark: undefined }] : []
      }),
    })
  }

  #apply(changes: IndexChanges): boolean {
    try {
      this.#deps.index.apply(changes)
      return true
    } catch (error) {
      this.#deps.health.failed(error)
      return false
    }
  }

  /** Runs `step` on each, a few at once; returns those that succeeded. */
  async #each<T>(items: readonly T[], step: (item: T) => Promise<unknown>): Promise<T[]> {
    const done: T[] = []
    const queue = items.values()
    const worker = async (): Promise<void> => {
      for (const item of queue) {
        try {
          await step(item)
          done.push(item)
        } catch (error) {
          this.#deps.health.failed(error)
          return
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker))
    return done
  }

  /** What of a group failed is gone, and so is the backlog behind it: the disk would refuse that as well. */
  async #giveUp(writes: readonly Write[], placed: readonly Write[]): Promise<void> {
    if (placed.length === writes.length) return
    const done = new Set(placed)
    const failed = writes.filter((write) => !done.has(write))
    for (const { digest } of failed) this.#lose(digest)
    for (const [digest, operation] of this.#pending) {
      if (operation.type === 'write') this.#lose(digest)
    }
    await this.#each(failed, ({ temporary }) => this.#deps.files.remove(temporary))
    this.#apply({ removed: failed.map((write) => write.digest) })
  }

  #lose(digest: Digest): void {
    this.#forget(digest)
    this.#deps.lost(digest)
  }

  #signalBacklogSpace(): void {
    this.#backlogSpace?.resolve()
    this.#backlogSpace = undefined
  }
}
