/**
 * Index rows that are out of date (use, pin, visibility, description) and wait for a transaction: reads never cost one. Never
 * writes by itself: writer.ts says when.
 */
import type { Digest } from '../../content/digest.ts'
import type { Description } from '../../content/manifest.ts'
import type { Durability } from './durability.ts'
import type { FileFingerprints } from './file-fingerprint.ts'
import type { IndexChanges } from './index-rows.ts'
import type { StoreEntry } from '../store.ts'

// Bounds how long one transaction blocks the event loop.
const ROWS_PER_TRANSACTION = 1000

export interface RowDeps {
  readonly durability: Durability
  readonly marks: FileFingerprints
  /** The entry as it is now; undefined when it has gone. */
  readonly entryOf: (digest: Digest) => StoreEntry | undefined
  /** False when the index refused. */
  readonly apply: (changes: IndexChanges) => boolean
}

export class PendingRows {
  readonly #deps: RowDeps
  readonly #dirty = new Set<Digest>()
  readonly #descriptions = new Map<Digest, Description>()

  constructor(deps: RowDeps) {
    this.#deps = deps
  }

  touch(digest: Digest): void {
    this.#dirty.add(digest)
  }

  describe(description: Description): void {
    this.#descriptions.set(description.manifest.digest, description)
  }

  /** Its row is written or removed elsewhere. */
  forget(digest: Digest): void {
    this.#dirty.delete(digest)
  }

  drop(digest: Digest): void {
    this.#dirty.delete(digest)
    this.#descriptions.delete(digest)
  }

  flush(): void {
    const { entryOf, durability, marks, apply } = this.#deps
    while (this.#dirty.size > 0 || this.#descriptions.size > 0) {
      const digests = [...this.#dirty.keys().take(ROWS_PER_TRANSACTION)]
      const descriptions = [...this.#descriptions.values().take(ROWS_PER_TRANSACTION)]
      const entries = digests.flatMap((digest) => {
        const entry = entryOf(digest)
        const about = { synced: durability.isSynced(digest), mark: marks.of(digest) }
        return entry ? [{ ...entry, ...about }] : []
      })
      if (!apply({ entries, descriptions })) return // they stay for the next time
      for (const digest of digests) this.#dirty.delete(digest)
      for (const { manifest } of descriptions) this.#descriptions.delete(manifest.digest)
    }
  }
}
