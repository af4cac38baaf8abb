/**
 * One unfinished download on disk: positional writes into one file, and a bitfield that runs behind them, so that a chunk is
 * marked only after its bytes were written. When the disk refuses, chunks go to memory and the artifact is served from there
 * but not kept. Never hashes what the caller has verified; never decides where the finished file goes.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import { chunkLength, chunkRange } from '../../content/chunking.ts'
import { createDigester } from '../../content/digest.ts'
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { OpenFile } from './files.ts'
import { fill } from './reader.ts'
import type { CommitOptions, PartialArtifact } from '../store.ts'

/** Bytes of one artifact that are held in memory when the disk refuses them. */
const MAX_SPILLED_BYTES = 256 * 1024 * 1024

export interface PartialDeps {
  readonly file: OpenFile
  /** The chunks whose bytes are in `file`. */
  readonly bitfield: Bitfield
  /** The disk refused a chunk. */
  readonly failed: (error: unknown) => void
  /** `bitfield` has changed; written to the index some time later. */
  readonly progressed: () => void
  /** Takes space for a chunk that has landed; false when there is none. Called again with the negative when it was not needed. */
  readonly takeSpace: (bytes: number) => boolean
  /** Moves the complete file to its place and makes it visible. False: it can't be kept. */
  readonly place: (found: Omit<CommitOptions, 'verified'>) => Promise<boolean>
  /** Bytes of the artifact after it was placed. */
  readonly readCommitted: (range: { start: number; end: number }) => Promise<Uint8Array>
  /** The file is closed; called once. */
  readonly closed: (outcome: 'placed' | 'keep' | 'remove') => Promise<void>
}

type State = 'open' | 'committing' | 'placed' | 'memory-only' | 'closed'

export class FsPartial implements PartialArtifact {
  readonly geometry: ArtifactGeometry
  readonly #leaves: Uint8Array | undefined
  readonly #deps: PartialDeps
  readonly #spilled = new Map<number, Uint8Array>()
  #spilling = false
  #spilledBytes = 0
  #state: State = 'open'
  #committing: Promise<void> | undefined

  constructor(deps: PartialDeps, geometry: ArtifactGeometry, leaves: Uint8Array | undefined) {
    this.#deps = deps
    this.geometry = geometry
    this.#leaves = leaves
  }

  get present(): number {
    return this.#deps.bitfield.count + this.#spilled.size
  }

  hasChunk(index: number): boolean {
    return this.#deps.bitfield.has(index) || this.#spilled.has(index)
  }

  async writeChunk(index: number, bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    const expected = chunkLength(this.geometry, index)
    if (bytes.byteLength !== expected) {
      throw new RangeError(`chunk ${index} has ${bytes.byteLength} bytes, not ${expected}`)
    }
    if (this.hasChunk(index)) return
    if (!this.#deps.takeSpace(expected)) throw diskFull(this.geometry)
    try {
      await this.#keepChunk(index, bytes)
    } finally {
      this.#deps.takeSpace(-expected) // from now on it counts as present
    }
  }

  async #keepChunk(index: number, bytes: Uint8Array): Promise<void> {
    if (!this.#spilling && (await this.#writeToFile(index, bytes))) return
    this.#spill(index, Buffer.from(bytes)) // the caller uses its own again
  }

  async readChunk(index: number): Promise<Uint8Array> {
    const range = chunkRange(this.geometry, index)
    const spilled = this.#spilled.get(index)
    if (spilled !== undefined) return spilled
    if (this.#state === 'placed') return await this.#deps.readCommitted(range)
    if (this.#state === 'closed' || !this.hasChunk(index)) {
      throw new CatalogError('NOT_FOUND', `chunk ${index} is not here`)
    }
    try {
      return await this.#readFromFile(range)
    } catch (error) {
      // It may have been placed, and the file closed, while we read.
      if (this.#isPlaced()) return await this.#deps.readCommitted(range)
      throw error
    }
  }

  async commit(options: CommitOptions): Promise<void> {
    this.#assertOpen()
    const chunks = this.#deps.bitfield.length
    if (this.present < chunks) {
      throw new Error(`${this.present} of ${chunks} chunks: ${this.geometry.digest}`)
    }
    this.#state = 'committing'
    this.#committing = this.#commit(options)
    await this.#committing
  }

  async suspend(): Promise<void> {
    await Promise.allSettled([this.#committing]) // its caller hears of a failure
    if (this.#state !== 'open') return
    const worthKeeping = this.#leaves !== undefined && this.#deps.bitfield.count > 0
    await this.#close(worthKeeping ? 'keep' : 'remove')
  }

  async discard(): Promise<void> {
    if (this.#state === 'open') await this.#close('remove')
    this.#spilled.clear()
  }

  async #commit({ verified, ...found }: CommitOptions): Promise<void> {
    const { digest } = this.geometry
    if (!verified && (await this.#digest()) !== digest) {
      await this.#close('remove')
      throw new CatalogError('DIGEST_MISMATCH', `the bytes are not those of ${digest}`)
    }
    if (this.#spilled.size === 0 && (await this.#deps.place(this.#rehash(found)))) {
      this.#state = 'placed'
      await this.#deps.file.close()
      await this.#deps.closed('placed')
      return
    }
    await this.#keepInMemory()
  }

  #rehash({
    leaves = this.#leaves,
    root,
  }: Omit<CommitOptions, 'verified'>): Omit<CommitOptions, 'verified'> {
    return { ...(leaves && { leaves }), ...(root && { root }) }
  }

  async #writeToFile(index: number, bytes: Uint8Array): Promise<boolean> {
    const { file, bitfield } = this.#deps
    const { start } = chunkRange(this.geometry, index)
    try {
      for (let written = 0; written < bytes.byteLength;) {
        const rest = bytes.byteLength - written
        const { bytesWritten } = await file.write(bytes, written, rest, start + written)
        written += bytesWritten
      }
    } catch (error) {
      this.#assertOpen() // closed under us: no fault of the disk
      this.#spilling = true
      this.#deps.failed(error)
      return false
    }
    if (bitfield.add(index)) this.#deps.progressed()
    return true
  }

  #spill(index: number, bytes: Uint8Array): void {
    if (this.#spilledBytes + bytes.byteLength > MAX_SPILLED_BYTES) throw diskFull(this.geometry)
    this.#spilled.set(index, bytes)
    this.#spilledBytes += bytes.byteLength
  }

  async #readFromFile({ start, end }: { start: number; end: number }): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(end - start)
    const count = await fill(this.#deps.file, buffer, start)
    if (count < buffer.byteLength) {
      throw new CatalogError(
        'STORE_CORRUPT',
        `unfinished download is cut short at ${start + count}`,
      )
    }
    return buffer
  }

  async #digest(): Promise<string> {
    const digester = createDigester()
    for (let index = 0; index < this.#deps.bitfield.length; index += 1) {
      digester.update(await this.readChunk(index))
    }
    return digester.digest()
  }

  /** The store can't keep it, but its readers still get it: the last reference frees it. */
  async #keepInMemory(): Promise<void> {
    if (this.geometry.size > MAX_SPILLED_BYTES) {
      await this.#close('remove')
      throw diskFull(this.geometry)
    }
    for (const index of this.#deps.bitfield.present()) {
      this.#spilled.set(index, await this.#readFromFile(chunkRange(this.geometry, index)))
    }
    await this.#close('remove')
    this.#state = 'memory-only'
  }

  async #close(outcome: 'keep' | 'remove'): Promise<void> {
    this.#state = 'closed'
    await this.#deps.file.close()
    await this.#deps.closed(outcome)
  }

  #isPlaced(): boolean {
    return this.#state === 'placed'
  }

  #assertOpen(): void {
    if (this.#state !== 'open') throw new Error(`the partial of ${this.geometry.digest} is closed`)
  }
}

function diskFull({ size }: ArtifactGeometry): CatalogError {
  return new CatalogError('STORE_FULL', `no room for an artifact of ${size} bytes`, {
    hint: 'free some disk space, raise the quota, or choose another folder with --store',
  })
}
