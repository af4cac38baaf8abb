/**
 * The protocols that this host answers: hands each stream that a peer opens to the handler of its protocol, unless the gate
 * denies the peer. Handlers outlive a stop of the host: each new node registers them again.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Admission } from '../admission.ts'
import type { HandleOptions } from '../host.ts'
import type { StreamHandler, StreamOrigin, StreamRegistry } from './stream-registry.ts'

/** libp2p's own limit on streams we open to one peer would be 64. */
export const MAX_OUTBOUND_STREAMS = 1024

export interface InboundProtocolsDeps {
  readonly log: Logger
  readonly streams: StreamRegistry
  readonly admission: Admission
  /** Undefined for a peer that the gate denies, which is disconnected then. */
  readonly originOf: (connection: Connection) => StreamOrigin | undefined
  /** Undefined while the host is not running. */
  readonly libp2p: () => Libp2p | undefined
}

export class InboundProtocols {
  readonly #deps: InboundProtocolsDeps
  readonly #handlers = new Map<string, { run: StreamHandler; options: HandleOptions }>()

  constructor(deps: InboundProtocolsDeps) {
    this.#deps = deps
  }

  handle(protocol: string, handler: StreamHandler, options: HandleOptions): void {
    this.#handlers.set(protocol, { run: handler, options })
    const libp2p = this.#deps.libp2p()
    if (libp2p === undefined) return
    this.#register(protocol, libp2p).catch((error: unknown) => {
      this.#deps.log.error('host.handle-failed', { protocol, error })
    })
  }

  async registerAll(libp2p: Libp2p): Promise<void> {
    for (const protocol of this.#handlers.keys()) await this.#register(protocol, libp2p)
  }

  async #register(protocol: string, libp2p: Libp2p): Promise<void> {
    await libp2p.handle(protocol, (stream, connection) => this.#accept(stream, connection), {
      force: true,
      runOnLimitedConnection: true,
      maxInboundStreams: this.#handlers.get(protocol)?.options.maxStreamsPerPeer ?? 0,
      maxOutboundStreams: MAX_OUTBOUND_STREAMS,
    })
  }

  #accept(stream: Stream, connection: Connection): void {
    const handler = this.#handlers.get(stream.protocol)
    const origin = this.#deps.originOf(connection)
    if (handler === undefined || origin === undefined) {
      stream.abort(new CatalogError('PEER_REFUSED', 'not served'))
      return
    }
    const { streams, admission } = this.#deps
    const run = admission.guard(origin.peer, handler.run, handler.options)
    streams.accept(stream, origin, run, handler.options)
  }
}
