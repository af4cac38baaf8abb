/**
 * A libp2p stream as our ByteStream. The hot path: reads are handed on without a copy, writes are gathered while one is on
 * its way, and `write` waits only when more than the high-water mark is queued. The owner of a stream need not read it:
 * unread bytes are bounded, and the stream is aborted when there are too many.
 */
import type { Stream } from '@libp2p/interface'
import { CatalogError } from '../../errors.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { FairShare, Holding } from '../../limits/fair-share.ts'
import type { ByteStream, PeerId } from '../host.ts'
import type { Clock } from '../../timing/clock.ts'
import { timeoutSignal } from '../../timing/timeout-signal.ts'
import { createInboundQueue, type InboundQueue } from '../inbound-queue.ts'

/** Queued bytes at which `write` starts to wait, and at which it goes on. */
const HIGH_WATER_BYTES = 512 * 1024
const LOW_WATER_BYTES = 128 * 1024
/** `end` waits so long for what is queued to leave. */
const END_TIMEOUT_MS = 60_000
/** Reads below this are copied: a small read would keep the whole buffer alive that it was read into. */
const COPY_BELOW_BYTES = 8 * 1024

export interface ByteStreamOptions {
  readonly clock: Clock
  readonly peer: PeerId
  readonly group: AddressGroup
  readonly maxInboundBytes: number
  /** What is unread on all streams of this kind together. */
  readonly unread: UnreadBytes
  /** The stream is finished in both directions, whatever the way. Called once. */
  readonly onClosed: () => void
}

/** The streams that share one memory for what nobody has read yet; the one with the most is cut first. */
export type UnreadBytes = FairShare<{ cut(reason: Error): void }>

type MessageData = Uint8Array | Iterable<Uint8Array>

export function toByteStream(stream: Stream, options: ByteStreamOptions): ByteStream {
  return new LibP2PByteStream(stream, options)
}

class LibP2PByteStream implements ByteStream {
  readonly peer: PeerId
  readonly protocol: string
  readonly source: InboundQueue
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #onClosed: () => void
  readonly #unread: UnreadBytes
  readonly #held: Holding
  #failure: Error | undefined
  #isRemoteEnded: boolean
  #isClosed = false
  #isEnding = false
  #drained: PromiseWithResolvers<void> | undefined

  constructor(stream: Stream, options: ByteStreamOptions) {
    this.peer = options.peer
    this.protocol = stream.protocol
    this.#stream = stream
    this.#clock = options.clock
    this.#onClosed = options.onClosed
    this.#isRemoteEnded = stream.remoteWriteStatus === 'closed'
    this.#unread = options.unread
    this.#held = options.unread.open(this, options.group)
    const { maxInboundBytes } = options
    this.source = createInboundQueue({
      maxBytes: maxInboundBytes,
      onQueued: (bytes) => this.#account(bytes),
      onOverflow: () =>
        this.abort(
          new CatalogError(
            'PEER_MISBEHAVED',
            `more than ${maxInboundBytes} bytes unread on a stream`,
            { peer: this.peer, protocol: this.protocol },
          ),
        ),
    })
    this.#listen()
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isEnding) throw new Error('write after end on a stream')
    if (bytes.byteLength === 0) return
    try {
      this.#stream.send(bytes)
    } catch (error) {
      throw this.#failWith(error)
    }
    if (this.#stream.writeBufferLength <= HIGH_WATER_BYTES) return
    this.#drained ??= Promise.withResolvers()
    await this.#drained.promise
  }

  async end(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isEnding) return
    this.#isEnding = true
    const signal = timeoutSignal(this.#clock, END_TIMEOUT_MS)
    try {
      await this.#stream.close({ signal })
    } catch (error) {
      if (signal.aborted) {
        this.abort(new CatalogError('PEER_TIMEOUT', 'the peer does not take what we send'))
      }
      throw this.#failWith(error)
    }
  }

  abort(reason: Error): void {
    // Over already: what has come and will not be read any more is dropped all the same.
    if (this.#isClosed) this.source.fail(reason)
    if (this.#isClosed || this.#failure !== undefined) return
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  /** Drops what is unread, also after the remote has ended its side. */
  cut(reason: Error): void {
    this.abort(reason)
    this.source.fail(reason)
    this.#held.release()
  }

  #account(bytes: number): void {
    this.#held.add(bytes)
    if (bytes < 0) {
      this.#forgetIfOver()
      return
    }
    for (let next = this.#unread.offender(); next; next = this.#unread.offender()) {
      next.cut(new CatalogError('PEER_BUSY', 'too much is unread; this stream has the most'))
    }
  }

  /** The share knows this stream, and by it all that has to do with it, until it is told: at the latest when the last byte is read. */
  #forgetIfOver(): void {
    if (this.#isClosed && this.#held.amount === 0) this.#held.release()
  }

  #listen(): void {
    const stream = this.#stream
    stream.addEventListener('remoteCloseWrite', () => {
      this.#isRemoteEnded = true
    })
    stream.addEventListener('end', () => this.#endIfComplete())
    stream.addEventListener('close', (event) => this.#onClose(event.error))
    stream.addEventListener('drain', () => {
      if (this.#drained === undefined) return
      // The stream sends what it has queued in a microtask that it queued before this one.
      queueMicrotask(() => this.#wakeWriters())
    })
    stream.addEventListener('idle', () => this.#wakeWriters())
    // Last: it hands out what has come before.
    stream.addEventListener('message', (event) => this.#onMessage(event.data))
    // It may be over already. Later than now, because our owner does not have us yet.
    if (stream.status === 'open' || stream.status === 'closing') this.#endIfDrained()
    else queueMicrotask(() => this.#onClose(undefined))
  }

  #onMessage(data: MessageData): void {
    if (data instanceof Uint8Array) this.#receive(data)
    else for (const bytes of data) this.#receive(bytes)
  }

  #receive(bytes: Uint8Array): void {
    this.source.push(bytes.byteLength < COPY_BELOW_BYTES ? Buffer.from(bytes) : bytes)
  }

  /** 'end' also comes before the 'close' of a reset, and with a connection that was lost: only a FIN is an end. */
  #endIfComplete(): void {
    const { status } = this.#stream
    if (this.#isRemoteEnded && status !== 'aborted' && status !== 'reset') this.source.end()
  }

  #endIfDrained(): void {
    if (this.#stream.readBufferLength === 0) this.#endIfComplete()
  }

  #onClose(error: Error | undefined): void {
    if (this.#isClosed) return
    const { status } = this.#stream
    const isReset = status === 'reset' || status === 'aborted'
    if (error !== undefined || !this.#isRemoteEnded || isReset) this.#failWith(error)
    else this.#endIfDrained()
    this.#isClosed = true
    this.#forgetIfOver()
    this.#rejectWriters(this.#failure ?? new CatalogError('PEER_UNREACHABLE', 'stream closed'))
    this.#onClosed()
  }

  /** The failure that everybody sees: the first one, in our terms. */
  #failWith(cause: unknown): Error {
    this.#fail(
      new CatalogError('PEER_UNREACHABLE', 'the stream was reset or its connection lost', {
        peer: this.peer,
        protocol: this.protocol,
        cause,
      }),
    )
    return this.#failure ?? new Error('a failed stream has a failure')
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.source.fail(error)
    this.#rejectWriters(error)
  }

  #wakeWriters(): void {
    if (this.#drained === undefined || this.#stream.writeBufferLength > LOW_WATER_BYTES) return
    this.#drained.resolve()
    this.#drained = undefined
  }

  #rejectWriters(error: Error): void {
    this.#drained?.reject(error)
    this.#drained = undefined
  }
}
