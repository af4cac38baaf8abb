/**
 * Sends the bytes of one chunk: compressed where that pays, when the upload limit lets them go, and unless they have been
 * cancelled by then. Which bytes they are is not its business.
 */
import type { Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'
import type { Answer, Status } from '../../wire/transfer-messages.ts'
import type { AnswerWriter } from './answer-writer.ts'
import { createChunkEncoder } from './chunk-encoder.ts'
import type { UploadThrottle } from './upload-throttle.ts'

export interface ChunkToSend {
  readonly id: number
  readonly digest: Digest
  readonly index: number
  /** Go before it. */
  readonly before?: readonly Answer[]
}

export interface ChunkSenderDeps {
  readonly writer: AnswerWriter
  readonly throttle: UploadThrottle
  /** Ends waits for the upload limit. */
  readonly signal: AbortSignal
  readonly isCancelled: (id: number) => boolean
  /** What the asker can decode. */
  readonly encoding: () => Encoding
  readonly onServed: (bytes: number, whole: boolean) => void
  /** The stream can't be written to. */
  readonly onFailed: (error: unknown) => void
}

export class ChunkSender {
  readonly #deps: ChunkSenderDeps
  readonly #encoder = createChunkEncoder()

  constructor(deps: ChunkSenderDeps) {
    this.#deps = deps
  }

  /** Undefined when it was sent; else the status to answer with. */
  async send(
    { id, digest, index, before = [] }: ChunkToSend,
    bytes: Uint8Array,
  ): Promise<Status | undefined> {
    const { writer, throttle, isCancelled } = this.#deps
    if (isCancelled(id)) return 'cancelled'
    const encoding = this.#deps.encoding()
    const encoded = await this.#encoder.encode(encoding, digest, bytes)
    const body = encoded ?? bytes
    if (throttle.isOpen) writer.resetIdle()
    else await this.#holdBack(id, body.byteLength)
    const chunk = { id, index, encoding: encoded ? encoding : 'none', bytes: body } as const
    const isWanted = (): boolean => !isCancelled(id)
    if (!(await writer.sendIf(isWanted, ...before, { type: 'chunk', ...chunk }))) {
      throttle.giveBack(body.byteLength)
      return 'cancelled'
    }
    this.#deps.onServed(body.byteLength, index === 0)
    return undefined
  }

  async #holdBack(id: number, bytes: number): Promise<void> {
    const { writer, throttle, signal, isCancelled, onFailed } = this.#deps
    const onHeld = (): void => {
      if (!isCancelled(id)) writer.send({ type: 'wait', id }).catch(onFailed)
    }
    try {
      await throttle.take(bytes, { signal, onHeld })
    } finally {
      writer.resetIdle() // the wait was not the reader's fault
    }
  }
}
