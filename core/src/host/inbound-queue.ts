/**
 * What a stream has received and its reader has not taken yet: a bounded queue with one reader. Both hosts use it. It never
 * holds more than `maxBytes`: the push that would exceed them calls `onOverflow`, and the owner aborts the stream. It knows
 * nothing of streams or peers.
 */

import type { ByteSource } from './host.ts'

export interface InboundQueue extends ByteSource {
  push(bytes: Uint8Array): void
  /** The remote has ended its side: what is queued can still be read. */
  end(): void
  /** The stream has failed: what is queued is dropped, the reader gets `error`. */
  fail(error: Error): void
  /** What is queued, with its overhead. */
  readonly queuedBytes: number
}

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly error: Error }
  // The consumer left its loop: what still comes is dropped, so that nothing piles up.
  | { readonly kind: 'discarding' }

interface Consumer {
  readonly onBytes: (bytes: Uint8Array) => void
  readonly over: PromiseWithResolvers<void>
}

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: Error): void
}

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }
/** The array is shifted only now and then: `shift()` on a long array costs its length. */
const COMPACT_AT = 1024
/** What a queued read costs beside its bytes: a peer that sends single bytes must not pile up objects either. */
const READ_OVERHEAD_BYTES = 256

export interface InboundQueueOptions {
  readonly maxBytes: number
  readonly onOverflow: () => void
  /** What is pushed is lent: copied, unless its reader takes it at once. */
  readonly isLent?: boolean
  /** What is queued has grown by so much, or shrunk when negative. */
  readonly onQueued?: (bytes: number) => void
}

export function createInboundQueue(options: InboundQueueOptions): InboundQueue {
  return new SingleReaderQueue(options)
}

/** First in, first out, with its memory counted. */
class CountedFifo {
  readonly #onQueued: (bytes: number) => void
  #items: Uint8Array[] = []
  #head = 0
  #queuedBytes = 0

  constructor(onQueued: (bytes: number) => void) {
    this.#onQueued = onQueued
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** With its overhead. */
  static costOf(bytes: Uint8Array): number {
    return bytes.byteLength + READ_OVERHEAD_BYTES
  }

  push(bytes: Uint8Array): void {
    this.#items.push(bytes)
    this.#count(CountedFifo.costOf(bytes))
  }

  shift(): Uint8Array | undefined {
    const bytes = this.#items[this.#head]
    if (bytes === undefined) return undefined
    this.#head += 1
    this.#count(-CountedFifo.costOf(bytes))
    if (this.#head === this.#items.length) this.#reset()
    else if (this.#head >= COMPACT_AT) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return bytes
  }

  clear(): void {
    this.#reset()
    this.#count(-this.#queuedBytes)
  }

  #reset(): void {
    this.#items = []
    this.#head = 0
  }

  #count(bytes: number): void {
    if (bytes === 0) return
    this.#queuedBytes += bytes
    this.#onQueued(bytes)
  }
}

class SingleReaderQueue implements InboundQueue {
  readonly #options: InboundQueueOptions
  readonly #queue: CountedFifo
  #state: State = { kind: 'open' }
  #waiter: Waiter | undefined
  #consumer: Consumer | undefined
  #isConsumed = false

  constructor(options: InboundQueueOptions) {
    this.#options = options
    this.#queue = new CountedFifo(options.onQueued ?? (() => undefined))
  }

  get queuedBytes(): number {
    return this.#queue.queuedBytes
  }

  get isLent(): boolean {
    return this.#options.isLent === true
  }

  push(bytes: Uint8Array): void {
    if (this.#state.kind !== 'open' || bytes.byteLength === 0) return
    if (this.#consumer !== undefined) {
      this.#hand(this.#consumer, bytes)
      return
    }
    if (this.#waiter !== undefined) {
      this.#wake((waiting) => waiting.resolve({ done: false, value: this.#own(bytes) }))
      return
    }
    if (this.queuedBytes + CountedFifo.costOf(bytes) > this.#options.maxBytes) {
      this.#options.onOverflow()
      return
    }
    this.#queue.push(this.#own(bytes))
  }

  end(): void {
    if (this.#state.kind !== 'open') return
    this.#state = { kind: 'ended' }
    this.#consumer?.over.resolve()
    this.#wake((waiting) => waiting.resolve(DONE))
  }

  fail(error: Error): void {
    if (this.#state.kind === 'failed' || this.#state.kind === 'discarding') return
    this.#state = { kind: 'failed', error }
    this.#queue.clear()
    this.#consumer?.over.reject(error)
    this.#wake((waiting) => waiting.reject(error))
  }

  consume(onBytes: (bytes: Uint8Array) => void): Promise<void> {
    this.#beginReading()
    const consumer = { onBytes, over: Promise.withResolvers<void>() }
    for (let bytes = this.#queue.shift(); bytes !== undefined; bytes = this.#queue.shift()) {
      this.#hand(consumer, bytes)
    }
    if (this.#state.kind === 'ended') consumer.over.resolve()
    if (this.#state.kind === 'failed') consumer.over.reject(this.#state.error)
    this.#consumer = consumer
    return consumer.over.promise
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    this.#beginReading()
    return { next: () => this.#next(), return: () => this.#stopReading() }
  }

  #beginReading(): void {
    if (this.#isConsumed) throw new Error('the source of a stream can be read once')
    this.#isConsumed = true
  }

  #hand({ onBytes, over }: Consumer, bytes: Uint8Array): void {
    try {
      onBytes(bytes)
    } catch (error) {
      void this.#stopReading()
      over.reject(error)
    }
  }

  #own(bytes: Uint8Array): Uint8Array {
    return this.isLent ? Uint8Array.from(bytes) : bytes
  }

  #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const bytes = this.#queue.shift()
    if (bytes !== undefined) return Promise.resolve({ done: false, value: bytes })
    if (this.#state.kind === 'failed') return Promise.reject(this.#state.error)
    if (this.#state.kind !== 'open') return Promise.resolve(DONE)
    if (this.#waiter !== undefined) return Promise.reject(new Error('a stream has one reader'))
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  #stopReading(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { kind } = this.#state
    if (kind === 'open' || kind === 'ended') this.#state = { kind: 'discarding' }
    this.#queue.clear()
    this.#wake((waiting) => waiting.resolve(DONE))
    return Promise.resolve(DONE)
  }

  #wake(settle: (waiting: Waiter) => void): void {
    const waiting = this.#waiter
    this.#waiter = undefined
    if (waiting !== undefined) settle(waiting)
  }
}
