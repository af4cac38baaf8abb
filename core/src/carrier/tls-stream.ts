/**
 * A TLS connection as a ByteStream: one transfer stream, with no multiplexer beneath. A reader that falls behind makes the sender wait
 * (TCP can be paused, other than QUIC here), so no more than the high-water mark is ever unread. That the remote has closed is never
 * taken for the end of what it says: TCP's end can be forged by anybody on the path.
 */
import type { TLSSocket } from 'node:tls'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, PeerId } from '../host/host.ts'
import { createInboundQueue, type InboundQueue } from '../host/inbound-queue.ts'
import type { CancelTimer, Clock } from '../timing/clock.ts'
import type { LentReads } from './lent-reads.ts'

/** Unread bytes at which reading pauses, and at which it goes on. */
const UNREAD_HIGH_BYTES = 256 * 1024
const UNREAD_LOW_BYTES = 64 * 1024
/** What may still come once it is paused: one read of the socket, in records of 16 KiB. */
const UNREAD_SLACK_BYTES = 1024 * 1024
/** Queued bytes at which `write` starts to wait; it goes on when all of them have left. */
const WRITE_HIGH_BYTES = 256 * 1024
/**
 * Writes up to this size wait for the end of the turn and leave as one, however many they are, or with the first larger one: a record, a system
 * call and a read at the other end for each cost more. What bounds them all is WRITE_HIGH_BYTES, as it does any write.
 */
const GATHERED_BYTES = 32 * 1024
/** `end` waits so long for what is queued to leave. */
const END_TIMEOUT_MS = 60_000

/** By this side, for want of use, or by the remote or the network, also when this side says that nothing comes through. */
export type ClosedWhy = 'ours' | 'idle' | 'broken'

export interface TlsStreamOptions {
  readonly clock: Clock
  readonly peer: PeerId
  readonly protocol: string
  /** Of a connection that was dialled with them. */
  readonly reads?: LentReads
  /** A connection over which nothing has come, and nothing that waited has left, for so long is closed. */
  readonly idleMs: number
  /** What is received and unread has grown by so much, or shrunk when negative. */
  readonly onUnread: (bytes: number) => void
  /** Called once, whatever the way. */
  readonly onClosed: (why: ClosedWhy) => void
}

export function toByteStream(socket: TLSSocket, options: TlsStreamOptions): ByteStream {
  return new TlsByteStream(socket, options)
}

class TlsByteStream implements ByteStream {
  readonly peer: PeerId
  readonly protocol: string
  readonly source: InboundQueue
  readonly #socket: TLSSocket
  readonly #options: TlsStreamOptions
  #isGathering = false
  #failure: Error | undefined
  #why: ClosedWhy | undefined
  #drained: PromiseWithResolvers<void> | undefined
  #movedAtMs: number
  #cancelIdle: CancelTimer | undefined

  constructor(socket: TLSSocket, options: TlsStreamOptions) {
    this.peer = options.peer
    this.protocol = options.protocol
    this.#socket = socket
    this.#options = options
    this.#movedAtMs = options.clock.now()
    this.source = createInboundQueue({
      maxBytes: UNREAD_HIGH_BYTES + UNREAD_SLACK_BYTES,
      onQueued: (bytes) => this.#balance(bytes),
      isLent: options.reads !== undefined,
      onOverflow: () => this.#close('ours', new CatalogError('PEER_MISBEHAVED', 'too much unread')),
    })
    socket.setNoDelay(true)
    const onBytes = (bytes: Uint8Array): void => {
      this.#movedAtMs = options.clock.now()
      this.source.push(bytes)
    }
    if (options.reads === undefined) socket.on('data', onBytes)
    else {
      options.reads.to(onBytes)
      socket.resume()
    }
    socket.on('drain', () => {
      this.#movedAtMs = options.clock.now()
      this.#drained?.resolve()
      this.#drained = undefined
    })
    socket.on('error', (error: Error) => this.#fail(this.#broken(error)))
    socket.on('end', () => this.#close('broken', this.#broken()))
    socket.on('close', () => this.#onClose())
    this.#watchIdle()
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (bytes.byteLength > GATHERED_BYTES) this.#flush()
    else this.#gather()
    this.#socket.write(bytes) // moves nothing yet: a frozen connection takes a lot
    if (this.#socket.writableLength <= WRITE_HIGH_BYTES) return
    this.#drained ??= Promise.withResolvers()
    await this.#drained.promise
  }

  async end(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#why ??= 'ours'
    const cancel = this.#options.clock.after(END_TIMEOUT_MS, () => this.#socket.destroy())
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#socket.end()
    })
    cancel()
  }

  abort(reason: Error): void {
    this.#close(isCatalogError(reason, 'PEER_UNREACHABLE') ? 'broken' : 'ours', reason)
  }

  #close(why: ClosedWhy, reason: Error): void {
    this.#why ??= why
    this.#fail(reason)
    this.source.fail(reason)
    this.#socket.destroy()
  }

  #onClose(): void {
    this.#cancelIdle?.()
    this.#fail(this.#broken())
    this.#options.onClosed(this.#why ?? 'broken')
  }

  #fail(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    this.source.fail(reason)
    this.#drained?.reject(reason)
    this.#drained = undefined
  }

  #broken(cause?: Error): CatalogError {
    const { peer } = this
    return new CatalogError('PEER_UNREACHABLE', 'the carrier was closed or its connection lost', {
      peer,
      cause,
    })
  }

  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    this.#socket.cork()
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    if (!this.#isGathering) return
    this.#isGathering = false
    this.#socket.uncork()
  }

  #balance(bytes: number): void {
    this.#options.onUnread(bytes)
    const { queuedBytes } = this.source
    if (bytes > 0 && queuedBytes > UNREAD_HIGH_BYTES) this.#socket.pause()
    else if (bytes < 0 && queuedBytes < UNREAD_LOW_BYTES && this.#socket.isPaused()) {
      this.#socket.resume()
    }
  }

  #watchIdle(): void {
    const { clock, idleMs } = this.#options
    const leftMs = this.#movedAtMs + idleMs - clock.now()
    if (leftMs <= 0) this.#close('idle', new CatalogError('PEER_UNREACHABLE', 'an idle carrier'))
    else this.#cancelIdle = clock.after(leftMs, () => this.#watchIdle())
  }
}
