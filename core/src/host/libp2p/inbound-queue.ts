/**
 * What a stream has received and nobody has read yet: a bounded queue with one consumer. Both hosts use it. It never holds
 * more than `maxBytes`: the push that would exceed them calls `onOverflow`, and the stream is to be aborted.
 */

export interface InboundQueue extends AsyncIterable<Uint8Array> {
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

interface Waiter {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: Error): void
}

const DONE: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }
// Shift the array only now and then: shift() on a long array costs its length.
const COMPACT_AT = 1024
// What a queued read costs beside its bytes: a peer that sends single bytes must not pile up objects either.
const READ_OVERHEAD_BYTES = 256

export function createInboundQueue(options: {
  readonly maxBytes: number
  readonly onOverflow: () => void
  /** What is queued has grown by so much, or shrunk when negative. */
  readonly onQueued?: (bytes: number) => void
}): InboundQueue {
  const { onQueued } = options
  let queue: Uint8Array[] = []
  let head = 0
  let queuedBytes = 0
  let state: State = { kind: 'open' }
  let waiter: Waiter | undefined
  let isConsumed = false

  function clear(): void {
    queue = []
    head = 0
    count(-queuedBytes)
  }

  function count(bytes: number): void {
    if (bytes === 0) return
    queuedBytes += bytes
    onQueued?.(bytes)
  }

  function wake(settle: (waiting: Waiter) => void): void {
    const waiting = waiter
    waiter = undefined
    if (waiting !== undefined) settle(waiting)
  }

  function push(bytes: Uint8Array): void {
    if (state.kind !== 'open' || bytes.byteLength === 0) return
    if (waiter !== undefined) {
      wake((waiting) => waiting.resolve({ done: false, value: bytes }))
      return
    }
    const cost = bytes.byteLength + READ_OVERHEAD_BYTES
    if (queuedBytes + cost > options.maxBytes) {
      options.onOverflow()
      return
    }
    queue.push(bytes)
    count(cost)
  }

  function end(): void {
    if (state.kind !== 'open') return
    state = { kind: 'ended' }
    wake((waiting) => waiting.resolve(DONE))
  }

  function fail(error: Error): void {
    if (state.kind === 'failed' || state.kind === 'discarding') return
    state = { kind: 'failed', error }
    clear()
    wake((waiting) => waiting.reject(error))
  }

  function shift(): Uint8Array | undefined {
    const bytes = queue[head]
    if (bytes === undefined) return undefined
    head += 1
    count(-(bytes.byteLength + READ_OVERHEAD_BYTES))
    if (head === queue.length) {
      queue = []
      head = 0
    } else if (head >= COMPACT_AT) {
      queue.splice(0, head)
      head = 0
    }
    return bytes
  }

  function next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const bytes = shift()
    if (bytes !== undefined) return Promise.resolve({ done: false, value: bytes })
    if (state.kind === 'failed') return Promise.reject(state.error)
    if (state.kind !== 'open') return Promise.resolve(DONE)
    if (waiter !== undefined) return Promise.reject(new Error('a stream has one reader'))
    return new Promise((resolve, reject) => {
      waiter = { resolve, reject }
    })
  }

  function stopReading(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (state.kind === 'open' || state.kind === 'ended') state = { kind: 'discarding' }
    clear()
    wake((waiting) => waiting.resolve(DONE))
    return Promise.resolve(DONE)
  }

  return {
    push,
    end,
    fail,
    get queuedBytes() {
      return queuedBytes
    },
    [Symbol.asyncIterator]() {
      if (isConsumed) throw new Error('the source of a stream can be read once')
      isConsumed = true
      return { next, return: stopReading }
    },
  }
}
