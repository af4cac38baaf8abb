/**
 * The answering side of one transfer stream: reads requests, answers each exactly once to its end, and gives up readers that
 * take nothing. It holds a bounded number of requests and bytes per stream, and reads no more of one that does not read
 * its answers. What the answers are is the responder's. docs/protocol.md, section Transfer
 */
import { negotiateEncoding, type Encoding } from '../../content/compression.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { ByteStream } from '../../host/host.ts'
import type { CancelTimer } from '../../timing/clock.ts'
import { readFrames } from '../../wire/frames.ts'
import {
  decodeRequest,
  MAX_REQUEST_FRAME_BYTES,
  TRANSFER_VERSION,
  type Request,
} from '../../wire/transfer-messages.ts'
import { AnswerWriter } from './answer-writer.ts'
import { ChunkSender } from './chunk-sender.ts'
import { Errands } from './errands.ts'
import { STUCK_MS } from './reader-pace.ts'
import { RequestQueue, type ArtifactRequest } from './request-queue.ts'
import { Responder } from './responder.ts'
import type { ServeDeps, ServeOptions } from './serve-deps.ts'
import { UploadThrottle } from './upload-throttle.ts'

export const HELLO_DEADLINE_MS = 10_000

/** Answers until the asker ends the stream. @throws CatalogError PEER_MISBEHAVED when it breaks the protocol */
export async function serveStream(
  stream: ByteStream,
  deps: ServeDeps,
  options: ServeOptions,
): Promise<void> {
  await new ServedStream(stream, deps, options).run()
}

class ServedStream {
  readonly #stream: ByteStream
  readonly #deps: ServeDeps
  readonly #options: ServeOptions
  readonly #queue = new RequestQueue()
  readonly #writer: AnswerWriter
  readonly #throttle: UploadThrottle
  readonly #responder: Responder
  readonly #errands: Errands
  readonly #stop = new AbortController()
  /** Undefined until the asker's hello. */
  #encoding: Encoding | undefined
  #idle: PromiseWithResolvers<void> | undefined
  /** Of the next look at whether the asker does its part. */
  #cancelLook: CancelTimer | undefined

  constructor(stream: ByteStream, deps: ServeDeps, options: ServeOptions) {
    this.#stream = stream
    this.#deps = deps
    this.#options = options
    const writer = new AnswerWriter(stream, deps.clock)
    const throttle = new UploadThrottle(deps.clock, deps.limit)
    const chunks = new ChunkSender({
      ...{ writer, throttle, signal: this.#stop.signal, onServed: deps.onServed },
      isCancelled: (id) => this.#queue.isCancelled(id),
      encoding: () => this.#encoding ?? 'none',
      onFailed: (error) => this.#abort(error),
    })
    const reader = { peer: stream.peer, group: deps.group }
    this.#writer = writer
    this.#throttle = throttle
    this.#errands = new Errands({
      ...{ clock: deps.clock, fetch: deps.fetch, send: (answer) => writer.send(answer) },
      onFetched: (request) => this.#enqueue(request),
      onFailed: (error) => this.#abort(error),
      onSettled: () => this.#pump(),
    })
    this.#responder = new Responder({ ...deps, reader, writer, chunks })
  }

  async run(): Promise<void> {
    this.#cancelLook = this.#deps.clock.after(HELLO_DEADLINE_MS, () => this.#expectHello())
    try {
      const { encodings } = this.#options
      await this.#writer.send({ type: 'hello', version: TRANSFER_VERSION, encodings })
      const frames = readFrames(this.#stream.source, { maxFrameBytes: MAX_REQUEST_FRAME_BYTES })
      for await (const batch of frames) {
        for (const frame of batch) await this.#accept(decodeRequest(frame))
        this.#pump()
      }
      await this.#allAnswered()
      await this.#stream.end()
    } finally {
      this.#stop.abort(new Error('the stream is over'))
      this.#cancelLook?.()
      this.#queue.clear()
      this.#errands.clear()
    }
  }

  /** Awaited by the reading of requests: an asker that floods us and does not read is not read either. */
  async #accept(request: Request): Promise<void> {
    if (request.type === 'hello') {
      if (this.#encoding !== undefined) throw misbehaved('a second hello')
      this.#encoding = negotiateEncoding(this.#options.encodings, request.encodings)
      return
    }
    if (this.#encoding === undefined) throw misbehaved('no hello')
    const { id } = request
    if (request.type === 'cancel') {
      if (this.#queue.cancel(id) || this.#errands.cancel(id)) {
        await this.#writer.send({ type: 'status', id, status: 'cancelled' })
      }
      return
    }
    if (this.#queue.has(id) || this.#errands.has(id)) throw misbehaved('an id that is in use')
    if (request.type === 'want-fetch' && this.#options.seed) {
      if (this.#errands.isFull) await this.#writer.send({ type: 'status', id, status: 'busy' })
      else this.#errands.start(request)
      return
    }
    await this.#enqueue(request)
  }

  async #enqueue(request: ArtifactRequest): Promise<void> {
    const { id } = request
    if (this.#queue.isFull) await this.#writer.send({ type: 'status', id, status: 'busy' })
    else this.#queue.add(request)
  }

  /** Starts as many answers as may be under way. */
  #pump(): void {
    for (;;) {
      const wasIdle = this.#queue.active === 0
      const request = this.#queue.start()
      if (request === undefined) break
      if (wasIdle) this.#writer.resetIdle()
      this.#lookLater()
      this.#answer(request)
        .catch((error: unknown) => this.#abort(error))
        .finally(() => {
          this.#queue.finish(request.id)
          this.#pump()
        })
    }
    if (this.#isIdle) this.#idle?.resolve()
  }

  get #isIdle(): boolean {
    return this.#queue.active === 0 && this.#errands.count === 0
  }

  async #allAnswered(): Promise<void> {
    if (this.#isIdle) return
    this.#idle = Promise.withResolvers()
    await this.#idle.promise
  }

  async #answer(request: ArtifactRequest): Promise<void> {
    const { id } = request
    try {
      const status = this.#options.seed ? await this.#responder.respond(request) : 'refused'
      if (status !== undefined) await this.#writer.send({ type: 'status', id, status })
    } catch (error) {
      if (this.#stop.signal.aborted) return
      if (isCatalogError(error) && error.code.startsWith('PEER_')) return this.#abort(error)
      const isAbsent = isCatalogError(error, 'NOT_FOUND') || isCatalogError(error, 'STORE_CORRUPT')
      if (!isAbsent) {
        const about = 'key' in request ? request.key : request.digest
        this.#deps.log.warn('serve.failed', { about, error })
      }
      await this.#writer.send({ type: 'status', id, status: isAbsent ? 'not-found' : 'busy' })
    }
  }

  #expectHello(): void {
    this.#cancelLook = undefined
    if (this.#encoding === undefined) {
      return this.#abort(new CatalogError('PEER_TIMEOUT', 'no hello'))
    }
    this.#lookLater()
  }

  /** Only while there is something to be taken: a node at rest wakes for none of its peers. */
  #lookLater(): void {
    if (this.#queue.active === 0 || this.#stop.signal.aborted) return
    this.#cancelLook ??= this.#deps.clock.after(STUCK_MS / 4, () => this.#look())
  }

  /** Ends the stream of an asker that takes nothing of what is written for it. */
  #look(): void {
    this.#cancelLook = undefined
    const isOurFault = this.#queue.active === this.#throttle.held
    if (isOurFault || this.#writer.idleMs < STUCK_MS) return this.#lookLater()
    this.#abort(new CatalogError('PEER_TIMEOUT', 'the peer takes nothing'))
  }

  #abort(error: unknown): void {
    this.#stop.abort(error)
    this.#stream.abort(error instanceof Error ? error : new Error(String(error)))
  }
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`)
}
