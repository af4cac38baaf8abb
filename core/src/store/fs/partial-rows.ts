/**
 * What the index knows of unfinished downloads that can be resumed: their rows, and somewhat behind the disk which chunks have
 * landed. A kill loses at most the latest marks.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { Clock } from '../../timing/clock.ts'
import type { Digest } from '../../content/digest.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import type { DiskHealth } from './disk-health.ts'
import type { FsIndex, PartialRow } from './index-rows.ts'
import type { Visibility } from '../../content/visibility.ts'

/** A kill loses at most this many marks, or those of this long. */
const PROGRESS_EVERY_CHUNKS = 16
const PROGRESS_EVERY_MS = 500

export interface ResumablePartial {
  readonly geometry: ArtifactGeometry
  readonly leaves: Uint8Array
  readonly visibility: Visibility
  readonly bitfield: Bitfield
}

/** Failures of the index degrade the store, and are nobody else's concern. */
export class FsPartialRows {
  readonly #deps: { index: FsIndex; health: DiskHealth; clock: Clock }
  readonly #unsaved = new Map<ResumablePartial, { chunks: number; savedAtMs: number }>()

  constructor(deps: { index: FsIndex; health: DiskHealth; clock: Clock }) {
    this.#deps = deps
  }

  find(digest: Digest): PartialRow | undefined {
    return this.#deps.index.partial(digest)
  }

  add(partial: ResumablePartial): void {
    this.#unsaved.set(partial, { chunks: 0, savedAtMs: this.#deps.clock.now() })
    const { geometry, leaves, visibility, bitfield } = partial
    const updatedAtMs = this.#deps.clock.epochMs()
    const row = { geometry, leaves, visibility, bitfield: bitfield.encode(), updatedAtMs }
    this.#apply({ partials: [row] })
  }

  /** One more chunk has landed. */
  progressed(partial: ResumablePartial): void {
    const unsaved = this.#unsaved.get(partial)
    if (unsaved === undefined) return
    unsaved.chunks += 1
    const dueAtMs = unsaved.savedAtMs + PROGRESS_EVERY_MS
    if (unsaved.chunks >= PROGRESS_EVERY_CHUNKS || this.#deps.clock.now() >= dueAtMs) {
      this.#save(partial)
    }
  }

  saveAll(): void {
    for (const [partial, { chunks }] of this.#unsaved) if (chunks > 0) this.#save(partial)
  }

  /** It is suspended: its row stays. */
  close(partial: ResumablePartial): void {
    this.#save(partial)
    this.#unsaved.delete(partial)
  }

  remove(digest: Digest): void {
    for (const partial of this.#unsaved.keys()) {
      if (partial.geometry.digest === digest) this.#unsaved.delete(partial)
    }
    this.#apply({ removedPartials: [digest] })
  }

  #save(partial: ResumablePartial): void {
    this.#unsaved.set(partial, { chunks: 0, savedAtMs: this.#deps.clock.now() })
    const { digest } = partial.geometry
    const updatedAtMs = this.#deps.clock.epochMs()
    this.#apply({ progress: [{ digest, bitfield: partial.bitfield.encode(), updatedAtMs }] })
  }

  #apply(changes: Parameters<FsIndex['apply']>[0]): void {
    try {
      this.#deps.index.apply(changes)
    } catch (error) {
      this.#deps.health.failed(error)
    }
  }
}
