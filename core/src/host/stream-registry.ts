/**
 * The open streams of a host: runs the handlers of those that peers open, keeps each peer within its limit, and ends all of
 * them when the host stops.
 */
import type { Stream } from '@libp2p/interface'
import { CatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { toByteStream } from './byte-stream.ts'
import type { ByteStream, HandleOptions, PeerId } from './host.ts'

/** Unread bytes on one stream before it is aborted. */
export const MAX_INBOUND_BYTES = 32 * 1024 * 1024

export type StreamHandler = (stream: ByteStream) => void | Promise<void>

export interface StreamRegistry {
  /** A stream that we opened. */
  adopt(stream: Stream, peer: PeerId): ByteStream
  /** A stream that a peer opened: runs the handler, or resets the stream when the peer has too many. */
  accept(stream: Stream, peer: PeerId, handler: StreamHandler, options: HandleOptions): void
  abortAll(reason: Error): void
}

export function createStreamRegistry(deps: { readonly log: Logger }): StreamRegistry {
  const open = new Set<ByteStream>()
  const inbound = new Map<string, number>()

  function wrap(stream: Stream, peer: PeerId, onClosed: () => void): ByteStream {
    const wrapped = toByteStream(stream, {
      peer,
      maxInboundBytes: MAX_INBOUND_BYTES,
      onClosed: () => {
        open.delete(wrapped)
        onClosed()
      },
    })
    open.add(wrapped)
    return wrapped
  }

  function release(slot: string): void {
    const left = (inbound.get(slot) ?? 1) - 1
    if (left > 0) inbound.set(slot, left)
    else inbound.delete(slot)
  }

  async function run(handler: StreamHandler, stream: ByteStream): Promise<void> {
    try {
      await handler(stream)
    } catch (error) {
      deps.log.debug('host.handler-failed', { protocol: stream.protocol, peer: stream.peer, error })
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  return {
    adopt: (stream, peer) => wrap(stream, peer, () => undefined),

    accept(stream, peer, handler, { maxStreamsPerPeer }) {
      const slot = `${stream.protocol} ${peer}`
      const count = (inbound.get(slot) ?? 0) + 1
      if (count > maxStreamsPerPeer) {
        stream.abort(
          new CatalogError('PEER_BUSY', `more than ${maxStreamsPerPeer} streams of one protocol`),
        )
        return
      }
      inbound.set(slot, count)
      void run(
        handler,
        wrap(stream, peer, () => release(slot)),
      )
    },

    abortAll(reason) {
      for (const stream of [...open]) stream.abort(reason)
      open.clear()
    },
  }
}
