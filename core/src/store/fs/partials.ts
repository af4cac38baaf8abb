/**
 * All unfinished downloads of the store: those open now and those kept from earlier. What an origin sends has its space from the
 * beginning; what peers claim takes it as chunks land, from a share that no complete artifact has to make way for. Saves in the
 * index, somewhat behind, which chunks of the resumable ones have landed. Never hashes leaves.
 */
import { Bitfield } from '../../content/bitfield.ts'
import { chunkCount } from '../../content/chunking.ts'
import type { Digest } from '../../content/digest.ts'
import { equalChunkTables, validateChunkTable, validateGeometry } from '../../content/manifest.ts'
import type { ArtifactGeometry, ChunkTable } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { Clock } from '../../timing/clock.ts'
import type { DiskHealth } from './disk-health.ts'
import type { Evictable } from '../evict.ts'
import type { OpenFile, StoreFiles } from './files.ts'
import type { FsIndex, PartialRow } from './index-rows.ts'
import type { FsLayout } from './layout.ts'
import { FsPartial } from './partial.ts'
import { FsPartialRows, type ResumablePartial } from './partial-rows.ts'
import { bitfieldOf, openPartialFile, presentBytesOf } from './partial-file.ts'
import type { CommitOptions, PartialArtifact, PutOptions, Retention } from '../store.ts'

/** SuspendedPartial downloads that nobody has touched for this long are stale. */
export const PARTIAL_MAX_AGE_MS = 7 * 24 * 3600 * 1000

export interface CommitRequest extends Omit<CommitOptions, 'verified'> {
  readonly geometry: ArtifactGeometry
  readonly options: PutOptions
  /** Of the complete file. */
  readonly path: string
  /** Its space has been reserved. */
  readonly isReserved: boolean
}

export interface PartialsDeps {
  readonly files: StoreFiles
  readonly layout: FsLayout
  readonly index: FsIndex
  readonly health: DiskHealth
  readonly clock: Clock
  /** Makes space for so many bytes, by evicting; false when there can't be. */
  readonly makeSpace: (bytes: number, retention?: Retention) => boolean
  /** What all that peers claim may take together, kept ones included. */
  readonly maxClaimedBytes: number
  readonly place: (request: CommitRequest) => Promise<boolean>
  readonly readCommitted: (
    digest: Digest,
    range: { start: number; end: number },
  ) => Promise<Uint8Array>
  /** A chunk has landed. */
  readonly progressed: () => void
}

export interface SuspendedPartial extends Evictable {
  readonly updatedAtMs: number
}
interface Opening {
  readonly geometry: ArtifactGeometry
  /** Undefined: from an origin. */
  readonly leaves: Uint8Array | undefined
  readonly options: PutOptions
  /** Undefined: the one of its digest that can be resumed. */
  readonly number: number | undefined
}
interface Opened extends Opening {
  readonly bitfield: Bitfield
  readonly partial: FsPartial
  /** Undefined: it ends with the process. */
  readonly resumable: ResumablePartial | undefined
}

export class FsPartials {
  readonly #deps: PartialsDeps
  readonly #rows: FsPartialRows
  readonly #opened = new Set<Opened>()
  /** Those being opened: their space is taken. */
  readonly #opening = new Set<Opening>()
  #nextNumber = 1
  /** Of claims: bytes that are on their way to the disk. */
  #writingBytes = 0
  /** Least recently touched first. */
  readonly #kept = new Map<Digest, SuspendedPartial>()
  readonly #removing = new Map<Digest, Promise<void>>()

  constructor(deps: PartialsDeps, rows: Iterable<PartialRow>) {
    this.#deps = deps
    this.#rows = new FsPartialRows(deps)
    for (const row of rows) this.#keep(row.geometry, bitfieldOf(row), row.updatedAtMs)
  }

  /** Bytes that downloads from origins have been given. */
  reservedBytes(retention?: Retention): number {
    let bytes = 0
    for (const { leaves, geometry, options } of [...this.#opening, ...this.#opened]) {
      if (leaves !== undefined) continue
      if (retention === undefined || options.retention === retention) bytes += geometry.size
    }
    return bytes
  }

  /** Bytes on disk. */
  get presentBytes(): number {
    let bytes = 0
    for (const opened of this.#opened) bytes += presentBytesOf(opened)
    for (const { size } of this.#kept.values()) bytes += size
    return bytes
  }

  /** Bytes that claims take. */
  get #claimedBytes(): number {
    let bytes = this.#writingBytes
    for (const opened of this.#opened)
      if (opened.leaves !== undefined) bytes += presentBytesOf(opened)
    for (const { size } of this.#kept.values()) bytes += size
    return bytes
  }

  /** The suspended ones, least recently touched first. */
  kept(): Iterable<SuspendedPartial> {
    return this.#kept.values()
  }

  find(digest: Digest): ChunkTable | undefined {
    for (const { geometry, leaves, number } of this.#opened) {
      if (number === undefined && geometry.digest === digest && leaves) return { geometry, leaves }
    }
    const row = this.#kept.has(digest) ? this.#rows.find(digest) : undefined
    return row && { geometry: row.geometry, leaves: row.leaves }
  }

  /** @throws CatalogError STORE_FULL, STORE_FAILED; MalformedError for leaves that do not fit the geometry */
  async open(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    options: PutOptions,
  ): Promise<PartialArtifact> {
    if (leaves === undefined) validateGeometry(geometry)
    else validateChunkTable({ geometry, leaves })
    const { digest, size } = geometry
    const { makeSpace, maxClaimedBytes } = this.#deps
    if (leaves === undefined ? !makeSpace(size, options.retention) : size > maxClaimedBytes) {
      throw new CatalogError('STORE_FULL', `no room for an artifact of ${size} bytes`, {
        hint: 'raise the quota, or unpin some artifacts',
      })
    }
    const isResumable = leaves !== undefined && this.#fitsKept({ geometry, leaves })
    const number = isResumable && this.#isFree(digest) ? undefined : this.#nextNumber++
    const opening: Opening = { geometry, leaves, options, number }
    const kept = this.#kept.get(digest)
    let row: PartialRow | undefined
    this.#opening.add(opening)
    try {
      if (number === undefined) row = await this.#resumable(opening)
      return await this.#openFile(opening, row)
    } catch (error) {
      if (kept && row) this.#kept.set(digest, kept) // as it was
      throw error
    } finally {
      this.#opening.delete(opening)
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
    this.#rows.saveAll()
  }

  async stop(): Promise<void> {
    for (const { partial } of [...this.#opened]) await partial.suspend()
    await Promise.all(this.#removing.values())
  }

  /** The resumable download of this digest is not open. */
  #isFree(digest: Digest): boolean {
    return [...this.#opening, ...this.#opened].every(
      ({ geometry, number }) => geometry.digest !== digest || number !== undefined,
    )
  }

  /** What another claim has left stays: either may be the true one, and making claims costs nothing. */
  #fitsKept(table: ChunkTable): boolean {
    const { digest } = table.geometry
    const row = this.#kept.has(digest) ? this.#rows.find(digest) : undefined
    return row === undefined || equalChunkTables(row, table)
  }

  /** What an earlier run left of this very download. */
  async #resumable({ geometry: { digest } }: Opening): Promise<PartialRow | undefined> {
    const row = this.#kept.has(digest) ? this.#rows.find(digest) : undefined
    if (row) {
      // From here on it counts as being opened.
      this.#kept.delete(digest)
      return row
    }
    this.drop(digest)
    await this.#removing.get(digest)
    return undefined
  }

  async #openFile(opening: Opening, row: PartialRow | undefined): Promise<PartialArtifact> {
    const { files, health } = this.#deps
    const { size, chunkSize } = opening.geometry
    try {
      const { file, bitfield } = await openPartialFile(files, this.#pathOf(opening), row)
      return this.#register(opening, file, bitfield ?? new Bitfield(chunkCount(size, chunkSize)))
    } catch (error) {
      health.failed(error)
      throw new CatalogError('STORE_FAILED', 'cannot write an unfinished download', {
        cause: error,
      })
    }
  }

  #register(opening: Opening, file: OpenFile, bitfield: Bitfield): PartialArtifact {
    const { geometry, options, leaves, number } = opening
    const path = this.#pathOf(opening)
    const isReserved = leaves === undefined
    const described = { geometry, visibility: options.visibility, bitfield }
    const resumable = leaves && number === undefined ? { ...described, leaves } : undefined
    const partial = new FsPartial(
      {
        file,
        bitfield,
        failed: (error) => this.#deps.health.failed(error),
        progressed: () => {
          this.#deps.health.succeeded()
          if (resumable) this.#rows.progressed(resumable)
          this.#deps.progressed()
        },
        takeSpace: (bytes) => isReserved || this.#takeSpace(bytes),
        place: (found) => this.#deps.place({ geometry, options, path, isReserved, ...found }),
        readCommitted: (range) => this.#deps.readCommitted(geometry.digest, range),
        closed: (outcome) => this.#closed(opened, outcome),
      },
      geometry,
      resumable?.leaves,
    )
    const opened: Opened = { ...opening, bitfield, partial, resumable }
    this.#opened.add(opened)
    if (resumable) this.#rows.add(resumable)
    return partial
  }

  /** For a chunk of a claim: suspended downloads are dropped for it, nothing else is. */
  #takeSpace(bytes: number): boolean {
    while (bytes > 0 && this.#claimedBytes + bytes > this.#deps.maxClaimedBytes) {
      const [oldest] = this.#kept.keys()
      if (oldest === undefined) return false
      this.drop(oldest)
    }
    this.#writingBytes += bytes
    return true
  }

  #pathOf({ geometry, number }: Opening): string {
    return this.#deps.layout.partial(geometry.digest, number)
  }

  async #closed(opened: Opened, outcome: 'placed' | 'keep' | 'remove'): Promise<void> {
    const { geometry, bitfield, resumable } = opened
    if (outcome === 'placed') this.drop(geometry.digest) // what another claim had left
    if (outcome === 'keep') {
      if (resumable) this.#rows.close(resumable)
      this.#opened.delete(opened)
      this.#keep(geometry, bitfield, this.#deps.clock.epochMs())
      return
    }
    if (resumable) await this.#remove(geometry.digest)
    else await this.#removeFile(this.#pathOf(opened))
    this.#opened.delete(opened)
  }

  async #remove(digest: Digest): Promise<void> {
    this.#rows.remove(digest)
    await this.#removeFile(this.#deps.layout.partial(digest))
  }

  async #removeFile(path: string): Promise<void> {
    try {
      await this.#deps.files.remove(path)
    } catch (error) {
      this.#deps.health.failed(error)
    }
  }

  #keep(geometry: ArtifactGeometry, bitfield: Bitfield, updatedAtMs: number): void {
    const { digest } = geometry
    this.#kept.set(digest, { digest, size: presentBytesOf({ geometry, bitfield }), updatedAtMs })
  }
}
