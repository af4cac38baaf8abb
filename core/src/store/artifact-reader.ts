/**
 * The bytes of complete artifacts: from the memory cache, from what is still being written, else from the file (read once,
 * however many ask at the same time). Never hands out bytes of a file whose size is not what the index says.
 */
import { LRUCache } from 'lru-cache'
import type { Digest } from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Entries } from './entries.ts'
import { errnoOf, type StoreFiles } from './fs-files.ts'
import type { FsLayout } from './fs-layout.ts'
import { readRange, WrongSizeError } from './fs-reader.ts'
import type { WholeFiles } from './read-thread.ts'

/** Artifacts up to this size are always read whole and kept in the cache, even for a range, bytes. */
const WHOLE_BYTES = 1024 * 1024

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
  /** Bytes that are not on disk yet. */
  readonly pending: (digest: Digest) => Uint8Array | undefined
  /** Its file is not what it should be. */
  readonly drop: (digest: Digest) => void
}

export class ArtifactReader {
  readonly #deps: ReaderDeps
  readonly #cache: LRUCache<Digest, Uint8Array> | undefined
  readonly #reading = new Map<Digest, Promise<Uint8Array>>()

  constructor(deps: ReaderDeps, options: { memoryArtifacts: number; memoryBytes: number }) {
    this.#deps = deps
    const { memoryArtifacts, memoryBytes } = options
    if (memoryArtifacts > 0 && memoryBytes > 0) {
      this.#cache = new LRUCache({
        max: memoryArtifacts,
        maxSize: memoryBytes,
        sizeCalculation: (bytes) => Math.max(1, bytes.byteLength),
      })
    }
  }

  remember(digest: Digest, bytes: Uint8Array): void {
    this.#cache?.set(digest, bytes)
  }

  forget(digest: Digest): void {
    this.#cache?.delete(digest)
    this.#reading.delete(digest)
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
    const inMemory = this.#cache?.get(digest) ?? this.#deps.pending(digest)
    if (inMemory !== undefined) return cut(inMemory, range)
    if (range === undefined || size <= WHOLE_BYTES) {
      return cut(await this.#readWhole(digest, size), range)
    }
    return await this.#readFile(digest, { ...range, fileSize: size })
  }

  async #readWhole(digest: Digest, size: number): Promise<Uint8Array> {
    const underway = this.#reading.get(digest)
    if (underway !== undefined) return await underway
    const reading = this.#readFile(digest, { start: 0, end: size, fileSize: size })
    this.#reading.set(digest, reading)
    try {
      const bytes = await reading
      if (this.#deps.entries.has(digest)) this.remember(digest, bytes)
      return bytes
    } finally {
      if (this.#reading.get(digest) === reading) this.#reading.delete(digest)
    }
  }

  async #readFile(digest: Digest, range: ByteRange & { fileSize: number }): Promise<Uint8Array> {
    const { files, whole, layout, entries, pending, drop, log } = this.#deps
    const path = layout.artifact(digest)
    const { start, end, fileSize } = range
    const isSmall = start === 0 && end === fileSize && fileSize <= WHOLE_BYTES
    try {
      return isSmall ? await whole.read(path, fileSize) : await readRange(files, path, range)
    } catch (error) {
      if (!entries.has(digest)) throw notFound(digest) // evicted while we read
      const again = pending(digest)
      if (again !== undefined) return cut(again, range) // evicted and stored again while we read
      if (error instanceof WrongSizeError || errnoOf(error) === 'ENOENT') {
        log.warn('store.corrupt', { digest, found: 'by read' })
        drop(digest)
        throw new CatalogError('STORE_CORRUPT', `the file of ${digest} is damaged`, {
          cause: error,
        })
      }
      throw new CatalogError('STORE_FAILED', `cannot read ${digest}`, { cause: error })
    }
  }
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

/** A copy of bytes that are a small view of something large: keeping them would keep all of it. */
export function withoutSlack(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength <= bytes.byteLength * 2) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength)
  copy.set(bytes)
  return copy
}
