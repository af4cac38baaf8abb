/**
 * An uplink's tarball stream as a source: settled when its head has come, ended when nothing moves any more. Never leaves an
 * `error` of the stream without a listener, for that would end Verdaccio's process.
 */
import type { OpenTarball, Source } from './tarball-request.ts'
import type { TarballStream } from './verdaccio.ts'

export interface UplinkDownload {
  readonly stream: TarballStream
  /** Ends the request; the stream may say nothing more. */
  cancel(): void
}

export function createUplinkSource(
  start: () => UplinkDownload,
  options: { readonly silenceMs: number },
): Source {
  return {
    name: 'uplink',
    async open({ signal }): Promise<OpenTarball> {
      signal.throwIfAborted()
      const reader = new StreamReader(start(), { signal, ...options })
      const size = await reader.head
      return { from: 'uplink', size, body: reader.body() }
    },
  }
}

class StreamReader {
  /** The announced length, if any, when the answer has begun. */
  readonly head: Promise<number | undefined>
  readonly #download: UplinkDownload
  readonly #silenceMs: number
  readonly #signal: AbortSignal
  readonly #onAbort: () => void
  #failure: { error: unknown } | undefined
  #ended = false
  #moved = Promise.withResolvers<void>()

  constructor(
    download: UplinkDownload,
    { signal, silenceMs }: { signal: AbortSignal; silenceMs: number },
  ) {
    this.#download = download
    this.#silenceMs = silenceMs
    this.#signal = signal
    const { stream } = download
    const head = Promise.withResolvers<number | undefined>()
    this.head = this.#withDeadline(head.promise)
    this.head.catch(() => undefined) // told to whoever reads, if anybody does
    const fail = (error: unknown): void => {
      this.#failure ??= { error }
      head.reject(this.#failure.error)
      this.#stir()
    }
    this.#onAbort = () => {
      fail(signal.reason)
      this.#leave()
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    stream.on('error', fail)
    stream.once('content-length', (length: unknown) => head.resolve(toSize(length)))
    stream.on('readable', () => {
      head.resolve(undefined)
      this.#stir()
    })
    stream.once('end', () => {
      this.#ended = true
      head.resolve(undefined)
      this.#stir()
    })
    stream.once('close', () => {
      if (!this.#ended) fail(new Error('the uplink closed the connection early'))
    })
  }

  async *body(): AsyncGenerator<Uint8Array> {
    const { stream } = this.#download
    try {
      for (;;) {
        // Before reading: what comes after this is noticed.
        const moved = this.#moved.promise
        const chunk = stream.read() as Uint8Array | null
        if (chunk !== null) yield chunk
        else if (this.#failure !== undefined) throw this.#failure.error
        else if (this.#ended) return
        else await this.#withDeadline(moved)
      }
    } finally {
      this.#leave()
    }
  }

  async #withDeadline<T>(promise: Promise<T>): Promise<T> {
    const silence = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      silence.reject(new Error(`the uplink sent nothing for ${this.#silenceMs} ms`))
    }, this.#silenceMs)
    try {
      return await Promise.race([promise, silence.promise])
    } catch (error) {
      this.#leave()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #stir(): void {
    const { resolve } = this.#moved
    this.#moved = Promise.withResolvers()
    resolve()
  }

  #leave(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (!this.#ended) this.#download.cancel()
  }
}

function toSize(length: unknown): number | undefined {
  const size = Number(length)
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
