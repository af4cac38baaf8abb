/**
 * Catches each muxer that libp2p makes, of every transport, for who is asked about the new connection right after: the
 * connection gate. What is caught is good for that one question.
 */
import type { StreamMuxerFactory, Transport, Upgrader, UpgraderOptions } from '@libp2p/interface'
import { HeldStreams } from './held-streams.ts'

export class MuxerWatch {
  #latest: HeldStreams | undefined

  /** Of the muxer that was made last, once. */
  take(): HeldStreams | undefined {
    const latest = this.#latest
    this.#latest = undefined
    return latest
  }

  /** The factory of a muxer that libp2p negotiates, or that a transport brings. */
  factory(factory: StreamMuxerFactory, signal?: AbortSignal): StreamMuxerFactory {
    const createStreamMuxer: StreamMuxerFactory['createStreamMuxer'] = (connection) => {
      const muxer = factory.createStreamMuxer(connection)
      this.#latest = new HeldStreams(muxer, signal)
      return muxer
    }
    return Object.create(factory, {
      createStreamMuxer: { value: createStreamMuxer },
    }) as StreamMuxerFactory
  }

  /** A transport that brings a muxer of its own. */
  transport<Kind extends Transport>(transport: Kind): Kind {
    const createListener = transport.createListener.bind(transport)
    const dial = transport.dial.bind(transport)
    transport.createListener = (options) =>
      createListener({ ...options, upgrader: this.#upgrader(options.upgrader) })
    transport.dial = (address, options) =>
      dial(address, { ...options, upgrader: this.#upgrader(options.upgrader) })
    return transport
  }

  #upgrader(upgrader: Upgrader): Upgrader {
    const watched = <Options extends UpgraderOptions>(options: Options): Options =>
      options.muxerFactory === undefined
        ? options
        : { ...options, muxerFactory: this.factory(options.muxerFactory, options.signal) }
    const upgradeInbound: Upgrader['upgradeInbound'] = (connection, options) =>
      upgrader.upgradeInbound(connection, watched(options))
    const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection, options) =>
      upgrader.upgradeOutbound(connection, watched(options))
    return Object.create(upgrader, {
      upgradeInbound: { value: upgradeInbound },
      upgradeOutbound: { value: upgradeOutbound },
    }) as Upgrader
  }
}
