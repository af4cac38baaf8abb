/**
 * An uplink's tarball stream as a source: open once its head has arrived, failed when it is silent for too long. Never leaves an
 * `error` of the stream without a listener, which would end Verdaccio's process.
 */
import type { OpenTarball, Source } from './tarball-request.ts'
import type { TarballStream } from './verdaccio.ts'

export interface UplinkDownload {
  readonly stream: TarballStream
  /** Aborts the request; the stream may emit nothing more. */
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
  /** The announced length, if any; settles when the answer begins. */
  readonly head: Promise<number | undefined>
  readonly #download: UplinkDownload
  readonly #silenceMs: number
  readonly #signal: AbortSignal
  readonly #onAbort: () => void
  #failure: { error: unknown } | undefined
  #ended = false
  #progress = Promise.withResolvers<void>()

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
    this.head.catch(() => undefined) // a reader gets it from body()
    const fail = (error: unknown): void => {
      this.#failure ??= { error }
      head.reject(this.#failure.error)
      this.#notify()
    }
    this.#onAbort = () => {
      fail(signal.reason)
      this.#release()
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
    stream.on('error', fail)
    stream.once('content-length', (length: unknown) => head.resolve(toSize(length)))
    stream.on('readable', () => {
      head.resolve(undefined)
      this.#notify()
    })
    stream.once('end', () => {
      this.#ended = true
      head.resolve(undefined)
      this.#notify()
    })
    stream.once('close', () => {
      if (!this.#ended) fail(new Error('the uplink closed the connection early'))
    })
  }

  async *body(): AsyncGenerator<Uint8Array> {
    const { stream } = this.#download
    try {
      for (;;) {
        // Taken before reading, so that bytes which arrive after the read are noticed.
        const progress = this.#progress.promise
        const chunk = stream.read() as Uint8Array | null
        if (chunk !== null) yield chunk
        else if (this.#failure !== undefined) throw this.#failure.error
        else if (this.#ended) return
        else await this.#withDeadline(progress)
      }
    } finally {
      this.#release()
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
      this.#release()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #notify(): void {
    const { resolve } = this.#progress
    this.#progress = Promise.withResolvers()
    resolve()
  }

  #release(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (!this.#ended) this.#download.cancel()
  }
}

function toSize(length: unknown): number | undefined {
  const size = Number(length)
  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}
