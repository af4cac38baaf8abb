/**
 * The streams that a peer opens on a muxer before libp2p has a connection to take them: the first is handed out, the others
 * wait. As soon as the connection listens they reach it in their order.
 */
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { CatalogError } from '../../../errors.ts'

/** A peer that has proved itself may be ahead of us by a moment. */
const MAX_WAITING = 64

export class HeldStreams {
  /** The first that the peer opens. */
  readonly first: Promise<Stream>
  readonly #muxer: StreamMuxer
  readonly #waiting: Stream[] = []
  /** Of the dial that made the muxer, where it is known: given up, it wants no connection any more. */
  readonly signals: readonly AbortSignal[]

  constructor(muxer: StreamMuxer, signal?: AbortSignal) {
    this.#muxer = muxer
    this.signals = signal === undefined ? [] : [signal]
    const first = Promise.withResolvers<Stream>()
    this.first = first.promise
    let hasFirst = false
    const onStream = ({ detail }: CustomEvent<Stream>): void => {
      if (!hasFirst) first.resolve(detail)
      else this.#hold(detail)
      hasFirst = true
    }
    muxer.addEventListener('stream', onStream)
    this.#whenListenedTo(() => muxer.removeEventListener('stream', onStream))
  }

  /** One of ours. */
  open(): Promise<Stream> {
    return this.#muxer.createStream()
  }

  abort(reason: Error): void {
    this.#muxer.abort(reason)
    for (const stream of this.#waiting.splice(0)) stream.abort(reason)
  }

  #hold(stream: Stream): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(stream)
    else
      stream.abort(new CatalogError('PEER_BUSY', 'too many streams before there is a connection'))
  }

  /** The next one to listen is the connection. */
  #whenListenedTo(stopHolding: () => void): void {
    const muxer = this.#muxer
    const add = muxer.addEventListener.bind(muxer)
    const listen: StreamMuxer['addEventListener'] = (type, listener, options) => {
      add(type, listener, options)
      if (type !== 'stream') return
      Reflect.deleteProperty(muxer, 'addEventListener')
      stopHolding()
      // It listens in the midst of being made.
      queueMicrotask(() => {
        for (const detail of this.#waiting.splice(0)) {
          muxer.safeDispatchEvent('stream', { detail })
        }
      })
    }
    muxer.addEventListener = listen
  }
}
