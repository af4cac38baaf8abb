/**
 * The answering side of a request/response protocol: reads the request, has it answered, sends the response; within one
 * deadline, with a bound on the streams of one peer. Malformed requests are reported; our own errors never cross the wire.
 */
import type { Clock } from '../timing/clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { withDeadline } from '../timing/deadline.ts'
import { encodeFrame } from '../wire/frames.ts'
import { toError } from './open-stream.ts'
import { readMessage, type RequestProtocol } from './protocol.ts'

export interface AnswerDeps {
  readonly host: Host
  readonly clock: Clock
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
}

export interface Answering {
  /** Accepts requests until `stop`; may be called again after it. */
  start(): void
  /** Resolves when no request is being answered any more. */
  stop(): Promise<void>
}

export interface AnswerOptions<Request, Response> {
  readonly maxStreamsPerPeer: number
  readonly answer: (
    request: Request,
    from: { readonly peer: PeerId; readonly signal: AbortSignal },
  ) => Promise<Response | undefined>
}

/**
 * `answer` gives the response, or undefined for none. It throws CatalogError PEER_MISBEHAVED for a request that no honest
 * peer would send, and anything else to have the stream reset.
 */
export function createAnswering<Request, Response>(
  deps: AnswerDeps,
  protocol: RequestProtocol<Request, Response>,
  options: AnswerOptions<Request, Response>,
): Answering {
  const { host, clock, log } = deps
  const running = new Set<Promise<void>>()
  let stopping: AbortController | undefined
  let isHandled = false

  async function answerStream(stream: ByteStream): Promise<void> {
    const { peer } = stream
    const signal = stopping?.signal ?? AbortSignal.abort(stopped())
    try {
      await withDeadline({ clock, timeoutMs: protocol.timeoutMs, signal }, async (limit) => {
        const request = await readMessage(stream, protocol.request)
        if (request === undefined) throw new CatalogError('PEER_UNREACHABLE', 'no request')
        const response = await options.answer(request, { peer, signal: limit })
        if (response !== undefined) {
          await stream.write(encodeFrame(protocol.response.encode(response)))
        }
        await stream.end()
      })
    } catch (error) {
      stream.abort(toError(error))
      if (signal.aborted) return
      log.debug('request.failed', { protocol: protocol.id, peer, error })
      if (isCatalogError(error, 'PEER_MISBEHAVED')) deps.onMisbehaviour(peer, error.message)
    }
  }

  function handle(stream: ByteStream): Promise<void> {
    const task = answerStream(stream).finally(() => running.delete(task))
    running.add(task)
    return task
  }

  return {
    start() {
      stopping = new AbortController()
      if (isHandled) return
      isHandled = true
      host.handle(protocol.id, handle, { maxStreamsPerPeer: options.maxStreamsPerPeer })
    },
    async stop() {
      stopping?.abort(stopped())
      stopping = undefined
      await Promise.all(running)
    },
  }
}

function stopped(): CatalogError {
  return new CatalogError('NODE_STOPPED', 'the node has stopped')
}
