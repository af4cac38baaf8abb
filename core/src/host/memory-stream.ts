/**
 * Two connected in-memory ByteStreams: what one writes the other reads after the link's latency, in order. Like a QUIC stream
 * it can't be paused by its reader: `write` waits only for what is in flight, and a reader that falls too far behind has its
 * stream aborted.
 */
import type { Clock } from '../timing/clock.ts'
import { CatalogError } from '../errors.ts'
import type { ByteStream, HandleOptions, PeerId } from './host.ts'
import { createInboundQueue, type InboundQueue } from './inbound-queue.ts'

/** How one direction of a connection behaves right now; asked before each message. */
export interface LinkConditions {
  latencyMs(): number
  /** Resolves when nothing holds messages back (a silenced peer's are held until it may speak again). */
  untilClear(): Promise<void> | undefined
  /** True when this message is to be lost, which resets the stream: in-memory streams are reliable or dead. */
  isLost(): boolean
}

export interface MemoryStream extends ByteStream {
  /** Fails both directions of this end without telling the other end. */
  fail(error: Error): void
}

interface EndOptions {
  readonly peer: PeerId
  readonly link: LinkConditions
}

/** Bytes in flight in one direction before `write` waits. */
const WINDOW_BYTES = 256 * 1024

type Message = Uint8Array | 'end'

export function createMemoryStreamPair(options: {
  readonly protocol: string
  readonly clock: Clock
  readonly maxInboundBytes: number
  /** `peer` is the remote end; `link` carries what this end writes. */
  readonly local: EndOptions
  readonly remote: EndOptions
  /** Both ends are finished, whatever the way. */
  readonly onClosed: () => void
}): { readonly local: MemoryStream; readonly remote: MemoryStream } {
  let open = 2
  const onEndClosed = (): void => {
    open -= 1
    if (open === 0) options.onClosed()
  }
  const local = new End(options, options.local, onEndClosed)
  const remote = new End(options, options.remote, onEndClosed)
  local.attach(remote)
  remote.attach(local)
  return { local, remote }
}

class End implements MemoryStream {
  readonly peer: PeerId
  readonly protocol: string
  readonly source: InboundQueue
  readonly #clock: Clock
  readonly #link: LinkConditions
  readonly #onClosed: () => void
  #other!: End
  #outgoing: { readonly message: Message; readonly dueAt: number }[] = []
  #inFlightBytes = 0
  #sinceYieldBytes = 0
  #isPumping = false
  #isEnded = false
  #isRemoteEnded = false
  #isClosed = false
  #failure: Error | undefined
  #drained: PromiseWithResolvers<void> | undefined

  constructor(
    shared: {
      readonly protocol: string
      readonly clock: Clock
      readonly maxInboundBytes: number
    },
    options: EndOptions,
    onClosed: () => void,
  ) {
    this.peer = options.peer
    this.protocol = shared.protocol
    this.#clock = shared.clock
    this.#link = options.link
    this.#onClosed = onClosed
    this.source = createInboundQueue({
      maxBytes: shared.maxInboundBytes,
      onOverflow: () =>
        this.abort(
          new CatalogError(
            'PEER_MISBEHAVED',
            `more than ${shared.maxInboundBytes} bytes unread on a stream`,
            { peer: this.peer, protocol: this.protocol },
          ),
        ),
    })
  }

  attach(other: End): void {
    this.#other = other
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#throwIfUnwritable()
    if (bytes.byteLength === 0) return
    if (this.#link.isLost()) {
      this.abort(new CatalogError('PEER_UNREACHABLE', 'stream lost (simulated)'))
      this.#throwIfUnwritable()
    }
    this.#send(bytes)
    this.#sinceYieldBytes += bytes.byteLength
    if (this.#inFlightBytes > WINDOW_BYTES) {
      this.#drained ??= Promise.withResolvers()
      await this.#drained.promise
    } else if (this.#sinceYieldBytes > WINDOW_BYTES) {
      // With no latency nothing is ever in flight; let the reader have its turn all the same.
      this.#sinceYieldBytes = 0
      await new Promise(setImmediate)
      if (this.#failure !== undefined) throw this.#failure
    }
  }

  async end(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isEnded) return
    this.#isEnded = true
    this.#send('end')
    this.#closeIfDone()
  }

  abort(reason: Error): void {
    if (this.#isClosed) return
    this.fail(reason)
    const reset = new CatalogError('PEER_UNREACHABLE', 'the peer reset the stream', {
      peer: this.#other.peer,
      protocol: this.protocol,
    })
    const other = this.#other
    const latencyMs = this.#link.latencyMs()
    if (latencyMs === 0) queueMicrotask(() => other.fail(reset))
    else void this.#clock.sleep(latencyMs).then(() => other.fail(reset))
  }

  fail(error: Error): void {
    if (this.#isClosed) return
    this.#failure = error
    this.#outgoing = []
    this.#inFlightBytes = 0
    this.source.fail(error)
    this.#drained?.promise.catch(() => undefined) // nobody may be waiting any more
    this.#drained?.reject(error)
    this.#close()
  }

  #throwIfUnwritable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isEnded) throw new Error('write after end on a stream')
  }

  #send(message: Message): void {
    const latencyMs = this.#link.latencyMs()
    const isClear = this.#link.untilClear() === undefined
    if (latencyMs === 0 && isClear && this.#outgoing.length === 0) {
      this.#other.#receive(message)
      return
    }
    this.#outgoing.push({ message, dueAt: this.#clock.now() + latencyMs })
    if (message !== 'end') this.#inFlightBytes += message.byteLength
    if (!this.#isPumping) void this.#pump()
  }

  /** Delivers in order, each message when it is due. Never rejects: the clock's sleep has no signal. */
  async #pump(): Promise<void> {
    this.#isPumping = true
    for (let next = this.#outgoing[0]; next !== undefined; next = this.#outgoing[0]) {
      await this.#link.untilClear()
      const waitMs = next.dueAt - this.#clock.now()
      if (waitMs > 0) {
        await this.#clock.sleep(waitMs)
        continue
      }
      if (this.#outgoing[0] !== next) continue // failed meanwhile
      this.#outgoing.shift()
      if (next.message !== 'end') this.#inFlightBytes -= next.message.byteLength
      this.#other.#receive(next.message)
      if (this.#inFlightBytes <= WINDOW_BYTES) {
        this.#drained?.resolve()
        this.#drained = undefined
      }
    }
    this.#isPumping = false
  }

  #receive(message: Message): void {
    if (message !== 'end') {
      this.source.push(message)
      return
    }
    this.source.end()
    this.#isRemoteEnded = true
    this.#closeIfDone()
  }

  #closeIfDone(): void {
    if (this.#isEnded && this.#isRemoteEnded) this.#close()
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
  }
}

export interface MemoryHandler {
  readonly run: (stream: ByteStream) => void | Promise<void>
  readonly options: HandleOptions
}

/** A handler that throws or rejects has its stream aborted. */
export async function runHandler(run: MemoryHandler['run'], stream: ByteStream): Promise<void> {
  try {
    await run(stream)
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
  }
}
