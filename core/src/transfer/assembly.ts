/**
 * A large artifact while it arrives: chunks land in any order (from peers) or bytes in order (from an origin), are hashed
 * in the worker, written to the store's partial, and can be read in order meanwhile. It becomes visible in the store,
 * and its last bytes readable, only after the whole digest has matched.
 */
import { Bitfield } from '../content/bitfield.ts'
import { chunkCount, chunkLength } from '../content/chunking.ts'
import type { ArtifactGeometry } from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PartialArtifact } from '../store/store.ts'
import { createChunkMemory } from './chunk-memory.ts'
import type { HashJob } from './hasher.ts'

/** Bytes at the end that nobody reads before the digest has matched. */
const HOLD_BACK_BYTES = 64 * 1024
/** Chunks being hashed or written to the partial at once, beyond which whoever brings more waits. */
const MAX_WORK = 8

export interface Assembly {
  readonly geometry: ArtifactGeometry
  /** Undefined while they are not known: of bytes from an origin, until the whole has matched. */
  readonly leaves: Uint8Array | undefined
  /** Of its size that has come, 0 to 1. */
  readonly share: number
  readonly chunks: number
  /** A whole chunk. False: it does not match its leaf and was dropped. Holds the caller back while writing lags.
   * `onDone`: pooled bytes are no longer read (other bytes are kept for readers). */
  add(index: number, bytes: Uint8Array, onDone?: () => void): Promise<boolean>
  /** The next bytes in order, from an origin. */
  append(bytes: Uint8Array): Promise<void>
  /** Loads what an earlier run left. Resolves to the chunks that are present. */
  resume(): Promise<number[]>
  has(index: number): boolean
  /** The chunks that are present; a copy. */
  present(): Bitfield
  /** One present chunk, for serving onward. */
  chunk(index: number): Promise<Uint8Array>
  /** Resolves when the whole digest has matched and the store has it; rejects when it did not match or `fail` was called. */
  readonly verified: Promise<void>
  readonly isVerified: boolean
  /** In order; the end only after `verified`. Any number of readers. */
  read(): AsyncGenerator<Uint8Array>
  /** Ends it, unless it is being committed already. Keeps the partial for a later run if `keep`. Never rejects. */
  fail(reason: unknown, options: { keep: boolean }): Promise<void>
  /** Settles when the partial is committed or closed. Never rejects. */
  readonly closed: Promise<void>
}

export function createAssembly(
  geometry: ArtifactGeometry,
  claimedLeaves: Uint8Array | undefined,
  deps: {
    partial: PartialArtifact
    job: HashJob
    log: Logger
    /** Bytes kept in memory for readers just now; what is older is read back from the partial. */
    memoryBytes: () => number
  },
): Assembly {
  const { partial, job, log } = deps
  const { digest, size, chunkSize } = geometry
  const chunks = chunkCount(size, chunkSize)
  const memory = createChunkMemory(partial, { chunkSize, maxBytes: deps.memoryBytes })
  const present = new Bitfield(chunks)
  const work = new Set<Promise<void>>()
  const verified = Promise.withResolvers<void>()
  verified.promise.catch(() => undefined) // readers and the download see it; it may also end with neither
  const closed = Promise.withResolvers<void>()
  let progress = Promise.withResolvers<void>()
  let leaves = claimedLeaves
  let contiguousChunks = 0
  let filling: Buffer | undefined
  let filled = 0
  let state: 'open' | 'committing' | 'verified' | 'failed' = 'open'
  let failure: unknown

  const lengthOf = (index: number): number => chunkLength(geometry, index)
  const isFailed = (): boolean => state === 'failed'

  function throwIfFailed(): void {
    if (isFailed()) throw failure as Error
  }

  function moved(): void {
    progress.resolve()
    progress = Promise.withResolvers()
  }

  function landed(index: number): void {
    present.add(index)
    while (present.has(contiguousChunks)) contiguousChunks++
    moved()
  }

  function track(working: Promise<unknown>): void {
    const tracked = working.then(() => void work.delete(tracked))
    tracked.catch((error: unknown) => void giveUp(error, { keep: false }))
    work.add(tracked)
  }

  async function room(): Promise<void> {
    while (work.size >= MAX_WORK) await Promise.race(work)
  }

  async function matches(index: number, bytes: Uint8Array, done: () => void): Promise<boolean> {
    try {
      return await job.add(index, bytes, done)
    } catch (error) {
      if (present.has(index)) return true // another copy of it came first, and was the last that was missing
      throw error
    }
  }

  async function add(
    index: number,
    bytes: Uint8Array,
    onDone: () => void = () => undefined,
  ): Promise<boolean> {
    throwIfFailed()
    // Two read them: the hash thread and the write.
    let readers = 2
    const done = (): void => {
      readers -= 1
      if (readers === 0) onDone()
    }
    const isNew = (): boolean => !present.has(index)
    if (!isNew() || bytes.byteLength !== lengthOf(index)) {
      onDone()
      return !isNew()
    }
    try {
      if (!(await matches(index, bytes, done))) {
        done()
        return false
      }
    } catch (error) {
      done()
      throw error
    }
    if (isFailed() || !isNew()) {
      done()
      throwIfFailed()
      return true
    }
    memory.keep(index, bytes)
    landed(index)
    track(write(index, bytes, done))
    await room()
    return true
  }

  async function write(index: number, bytes: Uint8Array, done: () => void): Promise<void> {
    try {
      await partial.writeChunk(index, bytes)
    } finally {
      memory.written(index)
      done()
    }
  }

  async function append(bytes: Uint8Array): Promise<void> {
    let offset = 0
    while (offset < bytes.byteLength) {
      throwIfFailed()
      const index = contiguousChunks
      if (index >= chunks) throw new CatalogError('DIGEST_MISMATCH', 'more bytes than announced')
      filling ??= Buffer.allocUnsafeSlow(lengthOf(index))
      const take = Math.min(filling.byteLength - filled, bytes.byteLength - offset)
      filling.set(bytes.subarray(offset, offset + take), filled)
      filled += take
      offset += take
      if (filled < filling.byteLength) {
        moved()
        break
      }
      const whole = filling
      filling = undefined
      filled = 0
      memory.keep(index, whole)
      landed(index)
      // The hash follows behind: bytes in order need no verdict per chunk, only the one on the whole.
      track(job.add(index, whole))
      track(partial.writeChunk(index, whole))
      await room()
    }
  }

  async function finish(): Promise<void> {
    const found = await job.done
    if (found.digest !== digest) {
      throw new CatalogError('DIGEST_MISMATCH', 'the bytes are not what the digest names', {
        expected: digest,
        got: found.digest,
      })
    }
    while (!present.complete || work.size > 0) {
      if (isFailed()) return
      await (work.size > 0 ? Promise.all(work) : progress.promise)
    }
    if (isFailed()) return
    state = 'committing'
    leaves = found.leaves
    await partial.commit({ verified: true, leaves: found.leaves, root: found.root })
    state = 'verified'
    verified.resolve()
    closed.resolve()
    moved()
  }

  async function giveUp(reason: unknown, options: { keep: boolean }): Promise<void> {
    if (state === 'verified' || isFailed()) return await closed.promise
    state = 'failed'
    failure = reason
    verified.reject(reason)
    moved()
    job.close()
    await Promise.allSettled(work)
    memory.clear()
    try {
      await (options.keep ? partial.suspend() : partial.discard())
    } catch (error) {
      log.warn('download.partial-not-closed', { digest, error })
    }
    closed.resolve()
  }

  async function fail(reason: unknown, options: { keep: boolean }): Promise<void> {
    // What is being committed has matched: too late to stop, and no reason to.
    if (state === 'committing') await closed.promise
    else await giveUp(reason, options)
  }

  async function chunk(index: number): Promise<Uint8Array> {
    return memory.find(index) ?? (await partial.readChunk(index))
  }

  async function* read(): AsyncGenerator<Uint8Array> {
    let position = 0
    while (position < size) {
      throwIfFailed()
      const arrived = Math.min(size, contiguousChunks * chunkSize) + filled
      const held = state === 'verified' ? 0 : Math.min(size, HOLD_BACK_BYTES)
      const limit = Math.min(arrived, size - held)
      if (position >= limit) {
        await progress.promise
        continue
      }
      const index = Math.floor(position / chunkSize)
      const start = index * chunkSize
      const bytes = index === contiguousChunks && filling ? filling : await chunk(index)
      throwIfFailed()
      const end = Math.min(limit, start + bytes.byteLength)
      yield bytes.subarray(position - start, end - start)
      position = end
    }
    await verified.promise
  }

  async function resume(): Promise<number[]> {
    const resumed: number[] = []
    for (let index = 0; index < chunks; index++) {
      throwIfFailed()
      if (!partial.hasChunk(index)) continue
      const bytes = await partial.readChunk(index)
      if (!(await job.add(index, bytes))) {
        throw new CatalogError('STORE_CORRUPT', 'an unfinished download has changed on disk', {
          digest,
          chunk: index,
        })
      }
      landed(index)
      resumed.push(index)
    }
    return resumed
  }

  finish().catch((error: unknown) => void giveUp(error, { keep: false }))

  return {
    geometry,
    get leaves() {
      return leaves
    },
    get share() {
      return present.complete ? 1 : Math.min(1, (present.count * chunkSize + filled) / size)
    },
    chunks,
    add,
    append,
    resume,
    has: (index) => !isFailed() && present.has(index),
    present: () => Bitfield.decode(present.encode(), chunks),
    chunk,
    verified: verified.promise,
    get isVerified() {
      return state === 'verified'
    },
    read,
    fail,
    closed: closed.promise,
  }
}
