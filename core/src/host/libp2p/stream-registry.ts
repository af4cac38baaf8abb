/**
 * The open streams of a host: runs the handlers of those that peers open, keeps each peer within its limit, and ends all of
 * them when the host stops.
 */
import type { Stream } from '@libp2p/interface'
import { CatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Clock } from '../../timing/clock.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import { FairShare } from '../../limits/fair-share.ts'
import { toByteStream, type UnreadBytes } from './byte-stream.ts'
import type { ByteStream, HandleOptions, PeerId } from '../host.ts'

const MiB = 1024 * 1024
/** Unread bytes on one stream that we opened before it is aborted: they are what we have asked for. */
const MAX_INBOUND_BYTES = 32 * MiB
/** The same on a stream that a peer opened, unless its protocol says otherwise. */
export const DEFAULT_MAX_UNREAD_BYTES = MiB
/** Of all streams that we opened; those of one address may have half of it. */
const ASKED_BYTES = 256 * MiB
/** Of all streams that peers opened; those of one address may have an eighth of it. */
const UNASKED_BYTES = 32 * MiB

export type StreamHandler = (stream: ByteStream) => void | Promise<void>

export interface StreamRegistry {
  /** A stream that we opened. */
  adopt(stream: Stream, from: StreamOrigin): ByteStream
  /** A stream that a peer opened: runs the handler, or resets the stream when the peer has too many. */
  accept(stream: Stream, from: StreamOrigin, run: StreamHandler, options: HandleOptions): void
  abortAll(reason: Error): void
  /** Bytes received and not read yet, on all streams. */
  readonly unreadBytes: number
}

export interface StreamOrigin {
  readonly peer: PeerId
  readonly group: AddressGroup
}

export function createStreamRegistry(deps: {
  readonly log: Logger
  readonly clock: Clock
}): StreamRegistry {
  const open = new Set<ByteStream>()
  const inbound = new Map<string, number>()

  const asked: UnreadBytes = new FairShare({ total: ASKED_BYTES, ofGroup: () => ASKED_BYTES / 2 })
  const unasked: UnreadBytes = new FairShare({
    total: UNASKED_BYTES,
    ofGroup: () => UNASKED_BYTES / 8,
  })

  function wrap(
    stream: Stream,
    limits: StreamOrigin & { maxInboundBytes: number; unread: UnreadBytes },
    onClosed: () => void,
  ): ByteStream {
    const wrapped = toByteStream(stream, {
      ...limits,
      clock: deps.clock,
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
    adopt: (stream, from) =>
      wrap(stream, { ...from, maxInboundBytes: MAX_INBOUND_BYTES, unread: asked }, () => undefined),

    accept(stream, from, handler, { maxStreamsPerPeer, maxUnreadBytes }) {
      const slot = `${stream.protocol} ${from.peer}`
      const count = (inbound.get(slot) ?? 0) + 1
      if (count > maxStreamsPerPeer) {
        stream.abort(
          new CatalogError('PEER_BUSY', `more than ${maxStreamsPerPeer} streams of one protocol`),
        )
        return
      }
      inbound.set(slot, count)
      const maxInboundBytes = maxUnreadBytes ?? DEFAULT_MAX_UNREAD_BYTES
      const limits = { ...from, maxInboundBytes, unread: unasked }
      void run(
        handler,
        wrap(stream, limits, () => release(slot)),
      )
    },

    abortAll(reason) {
      for (const stream of [...open]) stream.abort(reason)
      open.clear()
    },

    get unreadBytes() {
      return asked.total + unasked.total
    },
  }
}
