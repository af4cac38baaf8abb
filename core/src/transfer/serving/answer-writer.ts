/**
 * Writes answers to one stream, one after another, and sees whether the reader takes them. Small answers go as one write,
 * large bytes uncopied. It never decides what is answered.
 */
import { CatalogError } from '../../errors.ts'
import type { ByteStream } from '../../host/host.ts'
import type { Clock } from '../../timing/clock.ts'
import { encodeAnswer, encodeChunk, type Answer } from '../../wire/transfer-messages.ts'
import { createReaderPace } from './reader-pace.ts'

/** Copying less than this costs less than a second write. */
const GATHER_BYTES = 32 * 1024

export class AnswerWriter {
  readonly #stream: ByteStream
  readonly #clock: Clock
  readonly #pace = createReaderPace()
  #last: Promise<unknown> = Promise.resolve()
  #movedAtMs: number

  constructor(stream: ByteStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    this.#movedAtMs = clock.now()
  }

  /**
   * These answers with nothing between them. One write at a time: each that ends shows that the reader still reads, and only
   * one waits in the transport.
   * @throws CatalogError PEER_TIMEOUT when the reader takes too little; what the stream throws
   */
  async send(...answers: readonly Answer[]): Promise<void> {
    await this.sendIf(() => true, ...answers)
  }

  /** The same, unless it is not wanted any more when its turn comes: false then. */
  async sendIf(isWanted: () => boolean, ...answers: readonly Answer[]): Promise<boolean> {
    let isSent = false
    const write = this.#last.then(async () => {
      isSent = isWanted()
      if (isSent) await this.#write(answers)
    })
    this.#last = write.catch(() => undefined) // its caller sees it
    await write
    return isSent
  }

  /** Since a write last ended, in ms. */
  get idleMs(): number {
    return this.#clock.now() - this.#movedAtMs
  }

  /** The reader could take nothing until now, because nothing was written. */
  resetIdle(): void {
    this.#movedAtMs = this.#clock.now()
  }

  async #write(answers: readonly Answer[]): Promise<void> {
    const startedAtMs = this.#clock.now()
    const bytes = await writeAnswers(this.#stream, answers)
    this.resetIdle()
    if (this.#pace.took(this.#movedAtMs - startedAtMs, bytes)) return
    throw new CatalogError('PEER_TIMEOUT', 'the peer takes too little')
  }
}

/** All writes are queued before any is waited for, so nothing comes between them. Returns the number of bytes. */
async function writeAnswers(stream: ByteStream, answers: readonly Answer[]): Promise<number> {
  const parts = answers.flatMap((answer) =>
    answer.type === 'chunk' ? encodeChunk(answer) : [encodeAnswer(answer)],
  )
  const body = parts.at(-1)
  if (parts.length === 1 || body === undefined || body.byteLength <= GATHER_BYTES) {
    await stream.write(parts.length === 1 && body ? body : Buffer.concat(parts))
  } else {
    await Promise.all([stream.write(Buffer.concat(parts.slice(0, -1))), stream.write(body)])
  }
  return parts.reduce((sum, part) => sum + part.byteLength, 0)
}
