/**
 * All unfinished downloads of the store: those open now and those kept from earlier. Reserves room for the whole artifact
 * when one is opened, and saves in the index, somewhat behind, which chunks have landed.
 */
import { Bitfield } from '../content/bitfield.ts'
import { chunkCount } from '../content/chunking.ts'
import type { Digest } from '../content/digest.ts'
import { equalManifests, validateLeaves, validateManifest } from '../content/manifest.ts'
import type { Description, Manifest } from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { DiskHealth } from './disk-health.ts'
import type { Evictable } from './evict.ts'
import type { OpenFile, StoreFiles } from './fs-files.ts'
import type { FsIndex, PartialRow } from './fs-index.ts'
import type { FsLayout } from './fs-layout.ts'
import { FsPartial } from './fs-partial.ts'
import { bitfieldOf, openPartialFile } from './fs-partial-file.ts'
import type { PartialArtifact, Visibility } from './store.ts'

/** Kept downloads that nobody has touched for this long are stale. */
export const PARTIAL_MAX_AGE_MS = 7 * 24 * 3600 * 1000
/** A kill loses at most this many marks, or those of this long. */
const PROGRESS_EVERY_CHUNKS = 16
const PROGRESS_EVERY_MS = 500

export interface PlaceRequest {
  readonly manifest: Manifest
  readonly visibility: Visibility
  /** None if unknown. */
  readonly leaves: Uint8Array
}

export interface PartialsDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly index: FsIndex
  readonly health: DiskHealth
  readonly clock: Clock
  /** Makes room for so many bytes; false when there can't be. */
  readonly makeRoom: (bytes: number) => boolean
  readonly place: (request: PlaceRequest) => Promise<boolean>
  readonly readPlaced: (
    digest: Digest,
    range: { start: number; end: number },
  ) => Promise<Uint8Array>
  /** A chunk has landed. */
  readonly progressed: () => void
}

export interface Kept extends Evictable {
  readonly updatedAtMs: number
}
interface Opened {
  readonly manifest: Manifest
  readonly visibility: Visibility
  readonly bitfield: Bitfield
  readonly leaves: Uint8Array
  readonly partial: FsPartial
  unsavedChunks: number
  savedAtMs: number
}

export class FsPartials {
  readonly #deps: PartialsDeps
  readonly #opened = new Map<Digest, Opened>()
  /** Sizes of those being opened, so that nobody opens them twice and their room is taken. */
  readonly #opening = new Map<Digest, number>()
  /** Least recently touched first. */
  readonly #kept = new Map<Digest, Kept>()
  readonly #removing = new Map<Digest, Promise<void>>()

  constructor(deps: PartialsDeps, rows: Iterable<PartialRow>) {
    this.#deps = deps
    for (const row of rows) this.#keep(row.manifest, bitfieldOf(row), row.updatedAtMs)
  }

  /** Bytes spoken for, under the quota. */
  get reservedBytes(): number {
    let bytes = 0
    for (const size of this.#opening.values()) bytes += size
    for (const { manifest } of this.#opened.values()) bytes += manifest.size
    for (const { size } of this.#kept.values()) bytes += size
    return bytes
  }

  /** Bytes on disk. */
  get presentBytes(): number {
    let bytes = 0
    for (const { manifest, bitfield } of this.#opened.values()) {
      bytes += Math.min(bitfield.count * manifest.chunkSize, manifest.size)
    }
    for (const { size } of this.#kept.values()) bytes += size
    return bytes
  }

  /** Those that nobody works on, least recently touched first. */
  kept(): Iterable<Kept> {
    return this.#kept.values()
  }

  find(digest: Digest): Description | undefined {
    const opened = this.#opened.get(digest)
    if (opened !== undefined) {
      return opened.leaves.byteLength > 0
        ? { manifest: opened.manifest, leaves: opened.leaves }
        : undefined
    }
    const row = this.#kept.has(digest) ? this.#deps.index.partial(digest) : undefined
    return row && { manifest: row.manifest, leaves: row.leaves }
  }

  /** @throws CatalogError STORE_FULL, STORE_FAILED, PEER_MISBEHAVED for leaves that do not fit the manifest */
  async open(
    manifest: Manifest,
    leaves: Uint8Array,
    visibility: Visibility,
  ): Promise<PartialArtifact> {
    const { digest, size } = manifest
    validateManifest(manifest)
    if (leaves.byteLength > 0) validateLeaves(manifest, leaves)
    if (this.#opened.has(digest) || this.#opening.has(digest)) {
      throw new Error(`already open: ${digest}`)
    }
    this.#opening.set(digest, 0)
    const kept = this.#kept.get(digest)
    let row: PartialRow | undefined
    try {
      row = await this.#resumable(manifest, leaves)
      if (!this.#deps.makeRoom(size)) {
        throw new CatalogError('STORE_FULL', `no room for an artifact of ${size} bytes`, {
          hint: 'raise the quota, or unpin some artifacts',
        })
      }
      this.#opening.set(digest, size)
      return await this.#openFile({ manifest, leaves, visibility }, row)
    } catch (error) {
      if (kept && row) this.#kept.set(digest, kept) // as it was
      throw error
    } finally {
      this.#opening.delete(digest)
    }
  }

  /** Removes a kept one; at once for every count, soon from the disk. */
  drop(digest: Digest): boolean {
    if (!this.#kept.delete(digest)) return false
    const removing = this.#remove(digest).finally(() => this.#removing.delete(digest))
    this.#removing.set(digest, removing)
    return true
  }

  /** Writes the marks of chunks that landed lately. */
  saveProgress(): void {
    for (const opened of this.#opened.values()) if (opened.unsavedChunks > 0) this.#save(opened)
  }

  async stop(): Promise<void> {
    for (const { partial } of this.#opened.values()) await partial.suspend()
    await Promise.all(this.#removing.values())
  }

  /** What an earlier run left of this very download; whatever else it left is removed. */
  async #resumable(manifest: Manifest, leaves: Uint8Array): Promise<PartialRow | undefined> {
    const { digest } = manifest
    const row = this.#kept.has(digest) ? this.#deps.index.partial(digest) : undefined
    if (row && leaves.byteLength > 0 && equalManifests(row.manifest, manifest)) {
      // From here on it counts as being opened.
      this.#kept.delete(digest)
      return row
    }
    this.drop(digest)
    await this.#removing.get(digest)
    return undefined
  }

  async #openFile(request: PlaceRequest, row: PartialRow | undefined): Promise<PartialArtifact> {
    const { files, layout, health } = this.#deps
    const { manifest } = request
    try {
      const { file, bitfield } = await openPartialFile(files, layout.partial(manifest.digest), row)
      return this.#register(
        request,
        file,
        bitfield ?? new Bitfield(chunkCount(manifest.size, manifest.chunkSize)),
      )
    } catch (error) {
      health.failed(error)
      throw new CatalogError('STORE_FAILED', 'cannot write an unfinished download', {
        cause: error,
      })
    }
  }

  #register(request: PlaceRequest, file: OpenFile, bitfield: Bitfield): PartialArtifact {
    const { manifest, visibility, leaves } = request
    const { digest } = manifest
    const partial = new FsPartial(
      {
        file,
        bitfield,
        failed: (error) => this.#deps.health.failed(error),
        progressed: () => {
          this.#deps.health.succeeded()
          this.#progressed(opened)
          this.#deps.progressed()
        },
        place: (found) => this.#deps.place({ manifest, visibility, leaves: found }),
        readPlaced: (range) => this.#deps.readPlaced(digest, range),
        closed: (outcome) => this.#closed(opened, outcome),
      },
      manifest,
      leaves,
    )
    const savedAtMs = this.#deps.clock.now()
    const opened: Opened = {
      ...request,
      bitfield,
      partial,
      unsavedChunks: 0,
      savedAtMs,
    }
    this.#opened.set(digest, opened)
    if (leaves.byteLength > 0) this.#apply({ partials: [this.#rowOf(opened)] })
    return partial
  }

  #progressed(opened: Opened): void {
    opened.unsavedChunks += 1
    const dueAtMs = opened.savedAtMs + PROGRESS_EVERY_MS
    if (opened.unsavedChunks >= PROGRESS_EVERY_CHUNKS || this.#deps.clock.now() >= dueAtMs) {
      this.#save(opened)
    }
  }

  #save(opened: Opened): void {
    opened.unsavedChunks = 0
    opened.savedAtMs = this.#deps.clock.now()
    if (opened.leaves.byteLength === 0) return
    const { digest } = opened.manifest
    const updatedAtMs = this.#deps.clock.epochMs()
    this.#apply({ progress: [{ digest, bitfield: opened.bitfield.encode(), updatedAtMs }] })
  }

  async #closed(opened: Opened, outcome: 'placed' | 'keep' | 'remove'): Promise<void> {
    const { manifest, bitfield } = opened
    if (outcome === 'keep') {
      this.#save(opened)
      this.#opened.delete(manifest.digest)
      this.#keep(manifest, bitfield, this.#deps.clock.epochMs())
      return
    }
    await this.#remove(manifest.digest)
    this.#opened.delete(manifest.digest)
  }

  async #remove(digest: Digest): Promise<void> {
    this.#apply({ removedPartials: [digest] })
    try {
      await this.#deps.files.remove(this.#deps.layout.partial(digest))
    } catch (error) {
      this.#deps.health.failed(error)
    }
  }

  #keep(manifest: Manifest, bitfield: Bitfield, updatedAtMs: number): void {
    const size = Math.min(bitfield.count * manifest.chunkSize, manifest.size)
    this.#kept.set(manifest.digest, { digest: manifest.digest, size, updatedAtMs })
  }

  #rowOf({ manifest, leaves, visibility, bitfield }: Opened): PartialRow {
    const updatedAtMs = this.#deps.clock.epochMs()
    return { manifest, leaves, visibility, bitfield: bitfield.encode(), updatedAtMs }
  }

  #apply(changes: Parameters<FsIndex['apply']>[0]): void {
    try {
      this.#deps.index.apply(changes)
    } catch (error) {
      this.#deps.health.failed(error)
    }
  }
}
