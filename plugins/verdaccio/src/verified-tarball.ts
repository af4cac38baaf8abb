/**
 * A tarball from one source after the other, as one stream of bytes. The last MiB is held back in memory until the hash of the
 * whole matches: a small tarball is checked before its first byte leaves, and a large one never ends unless it is right. When a
 * source breaks off, the next one continues. Never holds more in memory than that MiB, and announces no length before the first
 * byte leaves: until then another source, with another length, may take over.
 */
import { createChecker, type Checker } from './integrity.ts'
import {
  FinalError,
  type OpenTarball,
  type Source,
  type SourceName,
  type TarballRequest,
} from './tarball-request.ts'

/** Bytes held back. */
export const HELD_BYTES = 1024 * 1024

/** The bytes do not match the metadata. `status` is what Verdaccio answers. */
export class IntegrityError extends Error {
  readonly status = 502
  readonly from: SourceName

  constructor(request: TarballRequest, from: SourceName) {
    const { label, filename, expected } = request
    super(
      `${label}: ${filename} from ${from} does not match the ${expected.algorithm} in its metadata; nothing was stored`,
    )
    this.from = from
  }
}

export interface VerifiedTarball {
  /** The length of the whole, if known, once the first byte has left; a body of another length fails. */
  readonly size: () => number | undefined
  /** The source of the last byte; final when the body has ended. */
  readonly from: () => SourceName
  readonly body: AsyncIterable<Uint8Array>
}

export interface ReadOptions {
  readonly signal: AbortSignal
  /** A source has failed, and the next one is asked. */
  readonly onFallback: (source: Source, error: unknown) => void
}

/**
 * Opens the first source that answers. The last one is retried once when it breaks off in the middle.
 * @throws the last source's error, or IntegrityError; so does reading the body
 */
export async function openVerified(
  request: TarballRequest,
  sources: readonly Source[],
  options: ReadOptions,
): Promise<VerifiedTarball> {
  const reader = new Reader(request, sources, options)
  const first = await reader.begin()
  return { size: () => reader.size, from: () => reader.from, body: reader.read(first) }
}

class Reader {
  readonly #request: TarballRequest
  readonly #waiting: Source[]
  readonly #last: Source | undefined
  readonly #options: ReadOptions
  #checker: Checker
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Bytes hashed: delivered or held. */
  #received = 0
  #hasRetried = false
  from: SourceName = 'uplink'
  #source: Source | undefined
  /** The length to announce; final when the first byte leaves. */
  size: number | undefined

  constructor(request: TarballRequest, sources: readonly Source[], options: ReadOptions) {
    this.#request = request
    this.#waiting = [...sources]
    this.#last = sources.at(-1)
    this.#options = options
    this.#checker = createChecker(request.expected)
  }

  /** The next source that answers. */
  async begin(): Promise<OpenTarball> {
    const { signal, onFallback } = this.#options
    for (;;) {
      signal.throwIfAborted()
      this.#source = this.#waiting.shift()
      if (this.#source === undefined) throw new Error('a tarball without sources')
      try {
        const opened = await this.#source.open({ signal })
        this.from = opened.from
        return opened
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof FinalError) throw error.cause
        if (this.#waiting.length === 0) throw error
        onFallback(this.#source, error)
      }
    }
  }

  async *read(first: OpenTarball): AsyncGenerator<Uint8Array> {
    for (let opened = first; ; opened = await this.begin()) {
      try {
        yield* this.#readOne(opened)
        if (!this.#checker.matches()) throw new IntegrityError(this.#request, opened.from)
        if (this.#isFresh()) this.size = this.#received // whatever the source announced
        yield* this.#held
        return
      } catch (error) {
        this.#recover(error)
      }
    }
  }

  /** One source's bytes, but for those held back. */
  async *#readOne({ body, size }: OpenTarball): AsyncGenerator<Uint8Array> {
    if (this.#isFresh()) this.size = size
    else if (this.size !== undefined && size !== undefined && size !== this.size) {
      throw new Error(`it has ${size} bytes, but ${this.size} were announced`)
    }
    let skip = this.#received
    for await (const chunk of body) {
      this.#options.signal.throwIfAborted()
      const fresh = chunk.subarray(Math.min(skip, chunk.byteLength))
      skip -= chunk.byteLength - fresh.byteLength
      if (fresh.byteLength === 0) continue
      this.#checker.update(fresh)
      this.#received += fresh.byteLength
      this.#held.push(fresh)
      this.#heldBytes += fresh.byteLength
      this.#checkLength()
      yield* this.#release()
    }
    const missing = Math.max(skip, (size ?? this.size ?? 0) - this.#received)
    if (missing > 0) throw new Error(`it ended ${missing} bytes too early`)
  }

  /** A client would take surplus bytes for the next answer on its connection. */
  #checkLength(): void {
    if (this.size === undefined || this.#received <= this.size) return
    // Not announced yet: nothing has left, so the length can be dropped.
    if (this.#isFresh()) this.size = undefined
    else throw new Error(`it has more than the ${this.size} bytes that were announced`)
  }

  *#release(): Generator<Uint8Array> {
    for (;;) {
      const oldest = this.#held[0]
      if (oldest === undefined || this.#heldBytes - oldest.byteLength < HELD_BYTES) return
      this.#held.shift()
      this.#heldBytes -= oldest.byteLength
      yield oldest
    }
  }

  /** Returns when another source may continue; throws when none can. */
  #recover(error: unknown): void {
    this.#options.signal.throwIfAborted()
    const source = this.#source
    if (source === undefined) throw error
    const isFresh = this.#isFresh()
    if (error instanceof IntegrityError && !isFresh) throw error
    if (this.#waiting.length === 0) {
      if (isFresh || this.#hasRetried || this.#last === undefined) throw error
      this.#hasRetried = true
      this.#waiting.push(this.#last)
    }
    if (isFresh) this.#reset()
    this.#options.onFallback(source, error)
  }

  /** Nothing has left yet. */
  #isFresh(): boolean {
    return this.#received === this.#heldBytes
  }

  #reset(): void {
    this.#checker = createChecker(this.#request.expected)
    this.#held = []
    this.#heldBytes = 0
    this.#received = 0
  }
}
