/**
 * Drops TCP and relayed connections whose peer is gone without a word, as with a cable that was pulled: the kernel would take a
 * quarter of an hour. QUIC, which notices by itself, is none of its business. It uses the ping of yamux, twelve bytes each way,
 * and one timer for all; libp2p's own monitor opens a stream on every connection each time, QUIC's too. Patient, because a
 * machine that installs is a busy one.
 */
import type { StreamMuxerFactory } from '@libp2p/interface'
import { CatalogError } from '../../errors.ts'
import type { CancelTimer, Clock } from '../../timing/clock.ts'

export const LOOK_EVERY_MS = 15_000
/** Looks at which a ping has no answer yet. Counted, so that time in which this machine slept is not held against the peer. */
const MAX_LOOKS = 2

type Connection = Parameters<StreamMuxerFactory['createStreamMuxer']>[0]

/** yamux's; `StreamMuxer` does not have it. */
interface Pinging {
  ping(): Promise<unknown>
}

interface Watched {
  readonly connection: Connection
  readonly muxer: Pinging
  isOwed: boolean
  looks: number
}

export class SilentConnections {
  readonly #clock: Clock
  readonly #open = new Set<Watched>()
  #cancelLook: CancelTimer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The factory of a muxer that can ping, watched. */
  muxers<Components>(
    create: (components: Components) => StreamMuxerFactory,
  ): (components: Components) => StreamMuxerFactory {
    return (components) => {
      const factory = create(components)
      const createStreamMuxer: StreamMuxerFactory['createStreamMuxer'] = (connection) => {
        const muxer = factory.createStreamMuxer(connection)
        if (canPing(muxer)) this.#watch(connection, muxer)
        return muxer
      }
      return Object.create(factory, {
        createStreamMuxer: { value: createStreamMuxer },
      }) as StreamMuxerFactory
    }
  }

  #watch(connection: Connection, muxer: Pinging): void {
    const watched = { connection, muxer, isOwed: false, looks: 0 }
    this.#open.add(watched)
    connection.addEventListener('close', () => this.#forget(watched), { once: true })
    // At once: yamux sizes its windows by the round trip.
    this.#ping(watched)
    this.#cancelLook ??= this.#clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #forget(watched: Watched): void {
    this.#open.delete(watched)
    if (this.#open.size > 0) return
    this.#cancelLook?.()
    this.#cancelLook = undefined
  }

  #look(): void {
    this.#cancelLook = this.#clock.after(LOOK_EVERY_MS, () => this.#look())
    for (const watched of [...this.#open]) {
      if (!watched.isOwed) this.#ping(watched)
      else if (++watched.looks >= MAX_LOOKS) {
        this.#forget(watched)
        watched.connection.abort(new CatalogError('PEER_TIMEOUT', 'the peer answers no ping'))
      }
    }
  }

  #ping(watched: Watched): void {
    watched.isOwed = true
    watched.looks = 0
    watched.muxer.ping().then(
      () => (watched.isOwed = false),
      () => undefined, // it is closing: if nothing comes of that, it is silent
    )
  }
}

function canPing<Muxer extends object>(muxer: Muxer): muxer is Muxer & Pinging {
  return 'ping' in muxer && typeof muxer.ping === 'function'
}
