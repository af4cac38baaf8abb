/**
 * The asking side of a request/response protocol: opens a stream, sends the request, reads the response; all within one
 * deadline, and no stream is left behind. Does not retry, and does not judge the peer: the caller does both.
 */
import type { Clock } from '../timing/clock.ts'
import { CatalogError } from '../errors.ts'
import type { Host, PeerId } from '../host/host.ts'
import { withDeadline } from '../timing/deadline.ts'
import { encodeFrame } from '../wire/frames.ts'
import { openStream, toError } from './open-stream.ts'
import { readMessage, type RequestProtocol } from './protocol.ts'

export interface AskDeps {
  readonly host: Host
  readonly clock: Clock
}

export interface Question<Request> {
  readonly peer: PeerId
  readonly request: Request
  readonly signal: AbortSignal
  /** Told whenever something comes from the peer: that it is at it, or a part of the response. */
  readonly onHeard?: () => void
}

/**
 * The response; undefined when the peer ended the stream without one.
 * @throws CatalogError PEER_UNREACHABLE, PEER_REFUSED, PEER_TIMEOUT, PEER_MISBEHAVED; `signal.reason` when aborted
 */
export async function ask<Request, Response>(
  deps: AskDeps,
  protocol: RequestProtocol<Request, Response>,
  question: Question<Request>,
): Promise<Response | undefined> {
  const { peer, request, signal, onHeard } = question
  signal.throwIfAborted()
  if (!deps.host.isConnected(peer)) {
    throw new CatalogError('PEER_UNREACHABLE', 'the peer is not connected', { peer })
  }
  const { clock } = deps
  const startedAtMs = clock.now()
  const { id, timeoutMs } = protocol
  const stream = await openStream(deps, { peer, protocol: id }, { timeoutMs, signal })
  const leftMs = Math.max(1, timeoutMs - (clock.now() - startedAtMs))
  try {
    return await withDeadline({ clock, timeoutMs: leftMs, signal }, async () => {
      await stream.write(encodeFrame(protocol.request.encode(request)))
      await stream.end()
      const beats = protocol.beatMs !== undefined
      return await readMessage(stream, protocol.response, { beats, onHeard })
    })
  } catch (error) {
    stream.abort(toError(error))
    throw error
  }
}
