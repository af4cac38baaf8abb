/**
 * Power failures. A kill -9 loses nothing that was written, since the system keeps it; only a power failure can, so fsync
 * (0.3 ms of CPU a file here, many milliseconds on a spinning disk) stays off the path of an install. A file counts as
 * unsynced, and its row says so, until it and its folder were synced in the background; what a start finds unsynced has no
 * fingerprint that is believed, so the reader hashes it before a byte of it is given. Never touches what is not in its list.
 */
import type { Clock } from '../../timing/clock.ts'
import type { Digest } from '../../content/digest.ts'
import type { Logger } from '../../log.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { StoreFiles } from './files.ts'
import type { FileFingerprints } from './file-fingerprint.ts'
import type { FsIndex } from './index-rows.ts'
import type { FsLayout } from './layout.ts'

/**
 * Syncing begins when no new file has come for QUIET_MS, and MAX_DELAY_MS after the first file at the latest. By then an install is
 * over, and the system has written most files by itself, so that there is little left to sync. A machine that was started for one
 * install may be gone by then, and never syncs.
 */
const QUIET_MS = 30_000
const MAX_DELAY_MS = 300_000
const GROUP_ITEMS = 64

export interface DurabilityDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly index: FsIndex
  readonly marks: FileFingerprints
  readonly clock: Clock
  readonly log: Logger
}

export class Durability {
  readonly #deps: DurabilityDeps
  /** Every file not known to be on the disk itself. */
  readonly #unsynced = new Set<Digest>()
  /** Those of them still to be tried. */
  readonly #queue = new Set<Digest>()
  readonly #stopped = new AbortController()
  #background: Promise<void> | undefined
  #addedAtMs = 0
  #syncing: Promise<void> = Promise.resolve()

  constructor(deps: DurabilityDeps) {
    this.#deps = deps
  }

  isSynced(digest: Digest): boolean {
    return !this.#unsynced.has(digest)
  }

  add(digest: Digest): void {
    this.#unsynced.add(digest)
    this.#queue.add(digest)
    this.#addedAtMs = this.#deps.clock.now()
    this.#background ??= this.#syncLater()
  }

  /**
   * A power failure may bring its row back, marked synced; but that has the fingerprint of the old file, and a new one under the
   * name another.
   */
  removed(digest: Digest): void {
    this.#unsynced.delete(digest)
    this.#queue.delete(digest)
  }

  /** Syncs all there is now; what is added meanwhile has its own quiet to wait for. */
  async sync(signal?: AbortSignal): Promise<void> {
    // One at a time: syncing in parallel would take all the threads that reads need.
    const before = this.#syncing
    this.#syncing = before.then(async () => {
      const queue = [...this.#queue]
      while (queue.length > 0 && !signal?.aborted) {
        await this.#syncGroup(queue.splice(0, GROUP_ITEMS))
      }
      this.#checkpoint()
    })
    await this.#syncing
  }

  /** Syncs no more: whoever stops waits for this, and to hash what is used again costs less. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#background
  }

  async #untilQuiet(): Promise<void> {
    const { clock } = this.#deps
    const latestMs = clock.now() + MAX_DELAY_MS
    for (;;) {
      const leftMs = Math.min(this.#addedAtMs + QUIET_MS, latestMs) - clock.now()
      if (leftMs <= 0) return
      await clock.sleep(leftMs, this.#stopped.signal)
    }
  }

  async #syncLater(): Promise<void> {
    try {
      await this.#untilQuiet()
      await this.sync(this.#stopped.signal)
    } catch (error) {
      if (!this.#stopped.signal.aborted) throw error
    } finally {
      this.#background = undefined
      if (this.#queue.size > 0 && !this.#stopped.signal.aborted) {
        this.#background = this.#syncLater()
      }
    }
  }

  async #syncGroup(group: readonly Digest[]): Promise<void> {
    const { files, layout, index, marks, log } = this.#deps
    const shards = new Set<string>()
    const synced: Digest[] = []
    try {
      for (const digest of group) {
        if (this.#queue.delete(digest) && (await this.#syncFile(digest))) {
          synced.push(digest)
          shards.add(layout.shard(digest))
        }
      }
      for (const shard of shards) await files.syncFolder(shard)
      // Removed or written anew while we synced: not ours to vouch for.
      const still = synced.filter(
        (digest) => this.#unsynced.has(digest) && !this.#queue.has(digest),
      )
      index.apply({ synced: still.map((digest) => ({ digest, mark: marks.of(digest) })) })
      for (const digest of still) this.#unsynced.delete(digest)
    } catch (error) {
      // They stay unsynced, which is safe: their rows say so.
      log.debug('store.sync-failed', { reason: String(error), artifacts: group.length })
    }
  }

  async #syncFile(digest: Digest): Promise<boolean> {
    try {
      await this.#deps.files.sync(this.#deps.layout.artifact(digest))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false // removed meanwhile
      throw error
    }
  }

  #checkpoint(): void {
    try {
      this.#deps.index.checkpoint()
    } catch (error) {
      this.#deps.log.debug('store.checkpoint-failed', { reason: String(error) })
    }
  }
}
