/**
 * A large artifact while it arrives: chunks land in any order (from peers) or bytes in order (from an origin), are hashed
 * in the worker, written to the store's partial, and can be read in order meanwhile. It becomes visible in the store,
 * and its last bytes readable, only after the whole digest has matched.
 */
import { chunkCount, chunkLength } from '../content/chunking.ts'
import type { Manifest } from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { PartialArtifact } from '../store/store.ts'
import type { HashJob } from './hasher.ts'

/** Bytes at the end that nobody reads before the digest has matched. */
const HOLD_BACK_BYTES = 64 * 1024
/** Bytes kept in memory for readers; what is older is read back from the partial. */
const MEMORY_BYTES = 48 * 1024 * 1024
/** Chunks being written to the partial at once. */
const MAX_WRITES = 8

export interface Assembly {
  readonly manifest: Manifest
  readonly leaves: Uint8Array
  readonly chunks: number
  /** A whole chunk. False: it does not match its leaf and was dropped. Holds the caller back while writing lags. */
  add(index: number, bytes: Uint8Array): Promise<boolean>
  /** The next bytes in order, from an origin. */
  append(bytes: Uint8Array): Promise<void>
  /** Loads what an earlier run left. Resolves to the chunks that are present. */
  resume(): Promise<number[]>
  has(index: number): boolean
  /** One present chunk, for serving onward. */
  chunk(index: number): Promise<Uint8Array>
  /** Resolves when the whole digest has matched and the store has it; rejects when it did not match or `fail` was called. */
  readonly verified: Promise<void>
  readonly isVerified: boolean
  /** In order; the end only after `verified`. Any number of readers. */
  read(): AsyncGenerator<Uint8Array>
  /** Ends it. Keeps the partial for a later run if `keep`. */
  fail(reason: unknown, options: { keep: boolean }): Promise<void>
}

export function createAssembly(
  manifest: Manifest,
  leaves: Uint8Array,
  deps: {
    partial: PartialArtifact
    job: HashJob
    /** Reads the committed artifact; absent where the partial outlives the commit. */
    readStored: ((start: number, end: number) => Promise<Uint8Array>) | undefined
  },
): Assembly {
  const { partial, job } = deps
  const { size, chunkSize } = manifest
  const chunks = chunkCount(size, chunkSize)
  const memory = new Map<number, Uint8Array>()
  const present = new Set<number>()
  const writes = new Set<Promise<void>>()
  const verified = Promise.withResolvers<void>()
  verified.promise.catch(() => undefined) // readers and the download see it; it may also end with neither
  let progress = Promise.withResolvers<void>()
  let contiguousChunks = 0
  let filling: Buffer | undefined
  let filled = 0
  let isVerified = false
  let failure: { reason: unknown } | undefined

  const lengthOf = (index: number): number => chunkLength(manifest, index)

  function throwIfFailed(): void {
    if (failure !== undefined) throw failure.reason as Error
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

  function remember(index: number, bytes: Uint8Array): void {
    memory.set(index, bytes)
    // Insertion order is arrival order; only chunks that are on disk may leave.
    for (const old of memory.keys()) {
      if (memory.size * chunkSize <= MEMORY_BYTES) return
      if (partial.hasChunk(old)) memory.delete(old)
    }
  }

  async function write(index: number, bytes: Uint8Array): Promise<void> {
    const writing = partial.writeChunk(index, bytes).finally(() => writes.delete(writing))
    writing.catch((error: unknown) => void fail(error, { keep: false }))
    writes.add(writing)
    if (writes.size >= MAX_WRITES) await Promise.race(writes)
  }

  async function add(index: number, bytes: Uint8Array): Promise<boolean> {
    throwIfFailed()
    if (present.has(index)) return true
    if (bytes.byteLength !== lengthOf(index)) return false
    if (!(await job.add(index, bytes))) return false
    throwIfFailed()
    if (present.has(index)) return true
    remember(index, bytes)
    landed(index)
    await write(index, bytes)
    return true
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
      remember(index, whole)
      // The hash follows behind: bytes in order need no verdict per chunk, only the one on the whole.
      job.add(index, whole).catch((error: unknown) => void fail(error, { keep: false }))
      landed(index)
      await write(index, whole)
    }
  }

  async function finish(): Promise<void> {
    const found = await job.done
    if (found.digest !== manifest.digest) {
      const mismatch = new CatalogError(
        'DIGEST_MISMATCH',
        'the bytes are not what the digest names',
        {
          expected: manifest.digest,
          got: found.digest,
        },
      )
      await fail(mismatch, { keep: false })
      return
    }
    await Promise.all(writes)
    if (failure !== undefined) return
    await partial.commit({ verified: true, leaves: found.leaves })
    isVerified = true
    verified.resolve()
    moved()
  }

  async function fail(reason: unknown, options: { keep: boolean }): Promise<void> {
    if (failure !== undefined || isVerified) return
    failure = { reason }
    verified.reject(reason)
    moved()
    job.close()
    await Promise.allSettled(writes)
    memory.clear()
    await (options.keep ? partial.suspend() : partial.discard())
  }

  async function chunk(index: number): Promise<Uint8Array> {
    const inMemory = memory.get(index)
    if (inMemory !== undefined) return inMemory
    if (isVerified && deps.readStored !== undefined) {
      const start = index * chunkSize
      return await deps.readStored(start, start + lengthOf(index))
    }
    return await partial.readChunk(index)
  }

  async function* read(): AsyncGenerator<Uint8Array> {
    let position = 0
    while (position < size) {
      throwIfFailed()
      const arrived = Math.min(size, contiguousChunks * chunkSize) + filled
      const limit = isVerified ? size : Math.min(arrived, size - Math.min(size, HOLD_BACK_BYTES))
      if (position >= limit) {
        await progress.promise
        continue
      }
      const index = Math.floor(position / chunkSize)
      const start = index * chunkSize
      const bytes = index === contiguousChunks && filling ? filling : await chunk(index)
      const end = Math.min(limit, start + bytes.byteLength)
      yield bytes.subarray(position - start, end - start)
      position = end
    }
    await verified.promise
  }

  finish().catch((error: unknown) => void fail(error, { keep: false }))

  return {
    manifest,
    leaves,
    chunks,
    add,
    append,
    async resume() {
      const resumed: number[] = []
      for (let index = 0; index < chunks; index++) {
        if (!partial.hasChunk(index)) continue
        const bytes = await partial.readChunk(index)
        if (!(await job.add(index, bytes))) continue
        landed(index)
        resumed.push(index)
      }
      return resumed
    },
    has: (index) => present.has(index),
    chunk,
    verified: verified.promise,
    get isVerified() {
      return isVerified
    },
    read,
    fail,
  }
}
