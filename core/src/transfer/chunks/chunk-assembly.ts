/**
 * The implementation of Assembly (assembly.ts says what it promises). Hashing, writing and reading run beside each other, in
 * bounds. It never gives a reader the end before the whole digest has matched, and asks no peer for anything.
 */
import { Bitfield } from '../../content/bitfield.ts'
import { chunkCount, chunkLength } from '../../content/chunking.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { Assembly, AssemblyDeps } from './assembly.ts'
import { createChunkMemory, type ChunkMemory } from './chunk-memory.ts'

/** Bytes at the end that no reader gets before the digest has matched. */
const HOLD_BACK_BYTES = 64 * 1024
/** Chunks being hashed or written to the partial at once; beyond that, callers of `add` and `append` wait. */
const MAX_WORK = 8

class ChunkAssembly implements Assembly {
  readonly geometry: ArtifactGeometry
  readonly chunks: number
  readonly #deps: AssemblyDeps
  readonly #memory: ChunkMemory
  readonly #present: Bitfield
  readonly #work = new Set<Promise<void>>()
  readonly #verified = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<void>()
  #leaves: Uint8Array | undefined
  #progress = Promise.withResolvers<void>()
  #contiguousChunks = 0
  /** The chunk that an origin is filling, and how far. */
  #filling: Buffer | undefined
  #filled = 0
  #state: 'open' | 'committing' | 'verified' | 'failed' = 'open'
  #failure: unknown

  constructor(geometry: ArtifactGeometry, leaves: Uint8Array | undefined, deps: AssemblyDeps) {
    const { size, chunkSize } = geometry
    this.geometry = geometry
    this.chunks = chunkCount(size, chunkSize)
    this.#leaves = leaves
    this.#deps = deps
    this.#memory = createChunkMemory(deps.partial, { chunkSize, maxBytes: deps.memoryBytes })
    this.#present = new Bitfield(this.chunks)
    this.#verified.promise.catch(() => undefined) // readers and the download see it; it may also end with neither
    this.#finish().catch((error: unknown) => void this.#giveUp(error, { keep: false }))
  }

  get leaves(): Uint8Array | undefined {
    return this.#leaves
  }

  get share(): number {
    const { size, chunkSize } = this.geometry
    if (this.#present.complete) return 1
    return Math.min(1, (this.#present.count * chunkSize + this.#filled) / size)
  }

  get verified(): Promise<void> {
    return this.#verified.promise
  }

  get isVerified(): boolean {
    return this.#state === 'verified'
  }

  get closed(): Promise<void> {
    return this.#closed.promise
  }

  has(index: number): boolean {
    return !this.#isFailed() && this.#present.has(index)
  }

  present(): Bitfield {
    return Bitfield.decode(this.#present.encode(), this.chunks)
  }

  async chunk(index: number): Promise<Uint8Array> {
    return this.#memory.find(index) ?? (await this.#deps.partial.readChunk(index))
  }

  async add(
    index: number,
    bytes: Uint8Array,
    onDone: () => void = () => undefined,
  ): Promise<boolean> {
    this.#throwIfFailed()
    if (this.#present.has(index) || bytes.byteLength !== chunkLength(this.geometry, index)) {
      onDone()
      return this.#present.has(index)
    }
    const [hashed, written] = twoUsers(onDone)
    let isKept = false
    try {
      if (!(await this.#matches(index, bytes, hashed))) return false
      this.#throwIfFailed()
      if (this.#present.has(index)) return true
      this.#memory.keep(index, bytes)
      this.#landed(index)
      isKept = true
      this.#track(this.#write(index, bytes, written))
    } finally {
      if (!isKept) written()
    }
    await this.#room()
    return true
  }

  async append(bytes: Uint8Array): Promise<void> {
    const { partial, job } = this.#deps
    for (let offset = 0; offset < bytes.byteLength;) {
      this.#throwIfFailed()
      const index = this.#contiguousChunks
      if (index >= this.chunks) {
        throw new CatalogError('DIGEST_MISMATCH', 'more bytes than announced')
      }
      this.#filling ??= Buffer.allocUnsafeSlow(chunkLength(this.geometry, index))
      const whole = this.#filling
      const take = Math.min(whole.byteLength - this.#filled, bytes.byteLength - offset)
      whole.set(bytes.subarray(offset, offset + take), this.#filled)
      this.#filled += take
      offset += take
      if (this.#filled < whole.byteLength) return this.#moved()
      this.#filling = undefined
      this.#filled = 0
      this.#memory.keep(index, whole)
      this.#landed(index)
      // The hash follows behind: bytes in order need no verdict per chunk, only the one on the whole.
      this.#track(job.add(index, whole))
      this.#track(partial.writeChunk(index, whole))
      await this.#room()
    }
  }

  async resume(): Promise<number[]> {
    const { partial, job } = this.#deps
    const resumed: number[] = []
    for (let index = 0; index < this.chunks; index++) {
      this.#throwIfFailed()
      if (!partial.hasChunk(index)) continue
      const bytes = await partial.readChunk(index)
      if (!(await job.add(index, bytes))) {
        const about = { digest: this.geometry.digest, chunk: index }
        throw new CatalogError('STORE_CORRUPT', 'an unfinished download has changed on disk', about)
      }
      this.#landed(index)
      resumed.push(index)
    }
    return resumed
  }

  async *read(): AsyncGenerator<Uint8Array> {
    const { size, chunkSize } = this.geometry
    for (let position = 0; position < size;) {
      this.#throwIfFailed()
      const arrived = Math.min(size, this.#contiguousChunks * chunkSize) + this.#filled
      const held = this.isVerified ? 0 : Math.min(size, HOLD_BACK_BYTES)
      const limit = Math.min(arrived, size - held)
      if (position >= limit) {
        await this.#progress.promise
        continue
      }
      const index = Math.floor(position / chunkSize)
      const start = index * chunkSize
      const filling = index === this.#contiguousChunks ? this.#filling : undefined
      const bytes = filling ?? (await this.chunk(index))
      this.#throwIfFailed()
      const end = Math.min(limit, start + bytes.byteLength)
      yield bytes.subarray(position - start, end - start)
      position = end
    }
    await this.#verified.promise
  }

  async fail(reason: unknown, options: { keep: boolean }): Promise<void> {
    // What is being committed has matched: too late to stop, and no reason to.
    if (this.#state === 'committing') await this.closed
    else await this.#giveUp(reason, options)
  }

  async #finish(): Promise<void> {
    const { job, partial } = this.#deps
    const { digest } = this.geometry
    const found = await job.done
    if (found.digest !== digest) {
      const about = { expected: digest, got: found.digest }
      throw new CatalogError('DIGEST_MISMATCH', 'the bytes are not what the digest names', about)
    }
    while (!this.#present.complete || this.#work.size > 0) {
      if (this.#isFailed()) return
      await (this.#work.size > 0 ? Promise.all(this.#work) : this.#progress.promise)
    }
    if (this.#isFailed()) return
    this.#state = 'committing'
    this.#leaves = found.leaves
    await partial.commit({ verified: true, leaves: found.leaves, root: found.root })
    this.#state = 'verified'
    this.#verified.resolve()
    this.#closed.resolve()
    this.#moved()
  }

  async #giveUp(reason: unknown, options: { keep: boolean }): Promise<void> {
    if (this.isVerified || this.#isFailed()) return await this.closed
    const { job, partial, log } = this.#deps
    this.#state = 'failed'
    this.#failure = reason
    this.#verified.reject(reason)
    this.#moved()
    job.close()
    await Promise.allSettled(this.#work)
    this.#memory.clear()
    try {
      await (options.keep ? partial.suspend() : partial.discard())
    } catch (error) {
      log.warn('download.partial-not-closed', { digest: this.geometry.digest, error })
    }
    this.#closed.resolve()
  }

  async #matches(index: number, bytes: Uint8Array, done: () => void): Promise<boolean> {
    try {
      return await this.#deps.job.add(index, bytes, done)
    } catch (error) {
      if (this.#present.has(index)) return true // another copy of it came first, and was the last that was missing
      throw error
    }
  }

  async #write(index: number, bytes: Uint8Array, done: () => void): Promise<void> {
    try {
      await this.#deps.partial.writeChunk(index, bytes)
    } finally {
      this.#memory.written(index)
      done()
    }
  }

  #landed(index: number): void {
    this.#present.add(index)
    while (this.#present.has(this.#contiguousChunks)) this.#contiguousChunks++
    this.#moved()
  }

  #moved(): void {
    this.#progress.resolve()
    this.#progress = Promise.withResolvers()
  }

  #track(working: Promise<unknown>): void {
    const tracked = working.then(() => void this.#work.delete(tracked))
    tracked.catch((error: unknown) => void this.#giveUp(error, { keep: false }))
    this.#work.add(tracked)
  }

  async #room(): Promise<void> {
    while (this.#work.size >= MAX_WORK) await Promise.race(this.#work)
  }

  #isFailed(): boolean {
    return this.#state === 'failed'
  }

  #throwIfFailed(): void {
    if (this.#isFailed()) throw this.#failure as Error
  }
}

/** The hash thread and the write read the same bytes: `onDone` is called when both are done. */
function twoUsers(onDone: () => void): [() => void, () => void] {
  let users = 2
  const done = (): void => {
    users -= 1
    if (users === 0) onDone()
  }
  return [done, done]
}

/** @param leaves what peers claim; undefined for what an origin sends */
export function createAssembly(
  geometry: ArtifactGeometry,
  leaves: Uint8Array | undefined,
  deps: AssemblyDeps,
): Assembly {
  return new ChunkAssembly(geometry, leaves, deps)
}
