/**
 * The bytes of complete artifacts: from the memory cache, from what is still being written, else from the file (read once,
 * however many ask at the same time). Never hands out bytes of a file that does not look as it did when it was last hashed
 * (file-fingerprint.ts): that one is hashed first, once, and is damaged unless it has its digest.
 */
import { LRUCache } from 'lru-cache'
import type { Digest } from '../../content/digest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Entries } from '../entries.ts'
import { errnoOf } from '../../disk/errno.ts'
import type { StoreFiles } from './files.ts'
import type { FileFingerprint, FileFingerprints } from './file-fingerprint.ts'
import type { FsLayout } from './layout.ts'
import { DamagedFileError, readRange, type FileRange } from './reader.ts'
import type { WholeFiles } from './read-thread.ts'

/**
 * Artifacts up to this size are always read whole, even for a range, and only they are kept in memory: nearly all of an install,
 * and a third of its bytes. Bytes.
 */
const WHOLE_BYTES = 1024 * 1024
/** What an entry costs beside its bytes, about. */
const ENTRY_BYTES = 300
/** A file that looks different after each of so many times it was hashed is not to be relied on. */
const MAX_HASHED = 3

export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ReaderDeps {
  readonly log: Logger
  readonly files: StoreFiles
  readonly whole: WholeFiles
  readonly layout: FsLayout
  readonly entries: Entries
  readonly marks: FileFingerprints
  /** Bytes that are not on disk yet. */
  readonly pending: (digest: Digest) => Uint8Array | undefined
  /** It was hashed again, and looked so. */
  readonly onRehashed: (digest: Digest, mark: FileFingerprint | undefined) => void
  /** Its file is not what it should be. */
  readonly drop: (digest: Digest) => void
}

export class ArtifactReader {
  readonly #deps: ReaderDeps
  readonly #cache: LRUCache<Digest, Uint8Array> | undefined
  readonly #reading = new Map<Digest, Promise<Uint8Array>>()
  readonly #hashing = new Map<Digest, Promise<void>>()

  constructor(deps: ReaderDeps, { memoryBytes }: { memoryBytes: number }) {
    this.#deps = deps
    if (memoryBytes > 0) {
      const maxEntrySize = Math.min(memoryBytes, WHOLE_BYTES + ENTRY_BYTES)
      this.#cache = new LRUCache({
        ...{ maxSize: memoryBytes, maxEntrySize },
        sizeCalculation: ({ byteLength }) => byteLength + ENTRY_BYTES,
      })
    }
  }

  remember(digest: Digest, bytes: Uint8Array): void {
    this.#cache?.set(digest, bytes)
  }

  forget(digest: Digest): void {
    this.#cache?.delete(digest)
    this.#reading.delete(digest)
    this.#hashing.delete(digest)
  }

  stop(): Promise<void> {
    return this.#deps.whole.stop()
  }

  /**
   * @throws CatalogError NOT_FOUND, STORE_CORRUPT, STORE_FAILED
   * @throws RangeError
   */
  async read(digest: Digest, range?: ByteRange): Promise<Uint8Array> {
    const size = this.#deps.entries.sizeOf(digest)
    if (size === undefined) throw notFound(digest)
    if (range !== undefined) checkRange(range, size)
    const inMemory = this.#inMemory(digest)
    if (inMemory !== undefined) return cut(inMemory, range)
    if (range === undefined || size <= WHOLE_BYTES) {
      return cut(await this.#readWhole(digest, size), range)
    }
    return await this.#guarded(digest, range, () =>
      this.#readLarge(digest, { ...range, fileSize: size }),
    )
  }

  /**
   * False when it is no longer here, or not what it should be; then it is dropped.
   * @throws CatalogError STORE_FAILED
   */
  async confirm(digest: Digest): Promise<boolean> {
    try {
      // A byte of a large file has the whole of it looked at; a small one is read whole and kept.
      await this.read(digest, {
        start: 0,
        end: Math.min(1, this.#deps.entries.sizeOf(digest) ?? 0),
      })
      return true
    } catch (error) {
      if (isCatalogError(error, 'STORE_CORRUPT') || isCatalogError(error, 'NOT_FOUND')) return false
      throw error
    }
  }

  #inMemory(digest: Digest): Uint8Array | undefined {
    return this.#cache?.get(digest) ?? this.#deps.pending(digest)
  }

  async #readWhole(digest: Digest, size: number): Promise<Uint8Array> {
    const { whole, layout, marks } = this.#deps
    const here = whole.readNow(layout.artifact(digest), { digest, size, mark: marks.of(digest) })
    if (here !== undefined) {
      this.remember(digest, here)
      return here
    }
    const underway = this.#reading.get(digest)
    if (underway !== undefined) return await underway
    const reading = this.#guarded(digest, undefined, () =>
      size <= WHOLE_BYTES
        ? this.#readSmall(digest, size)
        : this.#readLarge(digest, { start: 0, end: size, fileSize: size }),
    )
    this.#reading.set(digest, reading)
    try {
      const bytes = await reading
      if (this.#deps.entries.has(digest)) this.remember(digest, bytes)
      return bytes
    } finally {
      if (this.#reading.get(digest) === reading) this.#reading.delete(digest)
    }
  }

  async #readSmall(digest: Digest, size: number): Promise<Uint8Array> {
    const { whole, layout, marks } = this.#deps
    const expected = { digest, size, mark: marks.of(digest) }
    const { bytes, hashed } = await whole.read(layout.artifact(digest), expected)
    if (hashed !== undefined) this.#note(digest, hashed.mark)
    return bytes
  }

  async #readLarge(digest: Digest, range: FileRange): Promise<Uint8Array> {
    const { files, layout, marks } = this.#deps
    for (let hashed = 0; ; hashed += 1) {
      const { bytes, mark } = await readRange(files, layout.artifact(digest), range)
      if (mark === marks.of(digest)) return bytes
      if (hashed === MAX_HASHED) throw new DamagedFileError('it changes while it is read')
      await this.#hashOnce(digest, range.fileSize)
    }
  }

  /** However many ask at the same time. */
  async #hashOnce(digest: Digest, size: number): Promise<void> {
    const underway = this.#hashing.get(digest)
    if (underway !== undefined) return await underway
    const hashing = this.#hash(digest, size)
    this.#hashing.set(digest, hashing)
    try {
      await hashing
    } finally {
      if (this.#hashing.get(digest) === hashing) this.#hashing.delete(digest)
    }
  }

  async #hash(digest: Digest, size: number): Promise<void> {
    const { whole, layout } = this.#deps
    const found = await whole.hash(layout.artifact(digest))
    if (found.digest !== digest || found.size !== size) throw new DamagedFileError('other bytes')
    this.#note(digest, found.mark)
  }

  #note(digest: Digest, mark: FileFingerprint | undefined): void {
    const { log, entries, onRehashed } = this.#deps
    log.debug('store.hashed-again', { digest })
    if (entries.has(digest)) onRehashed(digest, mark)
  }

  async #guarded(
    digest: Digest,
    range: ByteRange | undefined,
    read: () => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { entries, pending, drop, log } = this.#deps
    try {
      return await read()
    } catch (error) {
      if (!entries.has(digest)) throw notFound(digest) // evicted while we read
      const again = pending(digest)
      if (again !== undefined) return cut(again, range) // evicted and stored again while we read
      if (isDamage(error)) {
        log.warn('store.corrupt', { digest, found: 'by read', reason: String(error) })
        drop(digest)
        throw new CatalogError('STORE_CORRUPT', `the file of ${digest} is damaged`, {
          cause: error,
        })
      }
      throw new CatalogError('STORE_FAILED', `cannot read ${digest}`, { cause: error })
    }
  }
}

/** The last are a link's (of some systems), a pipe's, a folder's and a socket's. */
const NO_FILE = ['ENOENT', 'EIO', 'ELOOP', 'EMLINK', 'ESPIPE', 'EISDIR', 'ENXIO']

/** Gone, a disk that can't read it any more, something in its place that is no file, or other bytes. */
function isDamage(error: unknown): boolean {
  return error instanceof DamagedFileError || NO_FILE.includes(errnoOf(error) ?? '')
}

export function notFound(digest: Digest): CatalogError {
  return new CatalogError('NOT_FOUND', `not in the store: ${digest}`)
}

/** @throws RangeError unless [start, end) lies within `size` bytes */
export function checkRange({ start, end }: ByteRange, size: number): void {
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end) {
    if (end <= size) return
  }
  throw new RangeError(`bytes ${start} to ${end} of ${size}`)
}

/** A view. */
export function cut(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  return range === undefined ? bytes : bytes.subarray(range.start, range.end)
}
