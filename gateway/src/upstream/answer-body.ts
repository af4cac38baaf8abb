/**
 * The body of a registry's answer: a stream, or its chunks as they come for who wants all of a short one, which costs a fraction of what
 * a stream does. What comes before anybody reads is bounded: then the connection is held back. Decides nothing about the bytes.
 */
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'

/** Of what nobody reads yet; as streams of Node have it. Bytes. */
const MAX_EARLY_BYTES = 64 * 1024

interface ChunkReader {
  readonly onChunk: (chunk: Buffer) => void
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Its errors are its reader's to see; those that nobody waits for end nothing. */
export class AnswerBody extends Readable {
  readonly #controller: Dispatcher.DispatchController
  /** undefined: it is read as a stream. */
  #early: Buffer[] | undefined = []
  #earlyBytes = 0
  #reader: ChunkReader | undefined
  #isComplete = false

  constructor(controller: Dispatcher.DispatchController) {
    super()
    this.#controller = controller
    this.on('error', () => undefined)
  }

  /** What has come. False: enough for now. */
  came(chunk: Buffer): boolean {
    if (this.destroyed) return true
    if (this.#reader !== undefined) {
      this.#give(this.#reader, chunk)
      return true
    }
    if (this.#early === undefined) return this.push(chunk)
    this.#early.push(chunk)
    this.#earlyBytes += chunk.byteLength
    return this.#earlyBytes < MAX_EARLY_BYTES
  }

  /** All of it has come. */
  complete(): void {
    if (this.destroyed) return
    this.#isComplete = true
    if (this.#reader !== undefined) this.#reader.resolve()
    else if (this.#early === undefined) this.push(null)
  }

  /**
   * All of it by its chunks, in place of the stream: holds nothing back. Resolves at its end. `onChunk` may throw: then it is given up.
   * @throws what `onChunk` throws, or why it broke off
   */
  readChunks(onChunk: (chunk: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.destroyed) return reject(this.errored ?? brokeOff())
      const early = this.#early
      if (early === undefined || this.#reader !== undefined) throw new Error('it is read already')
      this.#early = []
      const reader = { onChunk, resolve, reject }
      this.#reader = reader
      for (const chunk of early) if (!this.destroyed) this.#give(reader, chunk)
      if (this.#isComplete) resolve()
      else if (!this.destroyed) this.#controller.resume()
    })
  }

  #give({ onChunk }: ChunkReader, chunk: Buffer): void {
    try {
      onChunk(chunk)
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  override _read(): void {
    const early = this.#early
    this.#early = undefined
    if (early !== undefined && this.#reader === undefined) {
      for (const chunk of early) this.push(chunk)
      if (this.#isComplete) this.push(null)
    }
    if (!this.#isComplete) this.#controller.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#early &&= []
    this.#reader?.reject(error ?? brokeOff())
    if (!this.#isComplete && !this.#controller.aborted) {
      this.#controller.abort(error ?? new Error('nobody reads it any more'))
    }
    callback(error)
  }
}

function brokeOff(): Error {
  return new Error('the answer broke off')
}
