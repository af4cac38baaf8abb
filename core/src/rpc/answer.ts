/**
 * The answering side of a request/response protocol: reads the request, has it answered, sends the response; within one
 * deadline, with a bound on the streams of one peer, and within a budget of bytes where it is given one. Malformed requests
 * are reported; our own errors never cross the wire.
 */
import type { Clock } from '../timing/clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream, Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import { withDeadline } from '../timing/deadline.ts'
import { encodeFrame } from '../wire/frames.ts'
import { toError } from './open-stream.ts'
import { BEAT, readMessage, type RequestProtocol } from './protocol.ts'

export interface AnswerDeps {
  readonly host: Host
  readonly clock: Clock
  readonly log: Logger
  readonly onMisbehaviour: (peer: PeerId, reason: string) => void
  /** Absent only where all answers are small. */
  readonly budget?: AnswerBudget
}

/** What answers may take of this node, per peer and in total; shared with everything else that goes to peers. */
export interface AnswerBudget {
  /** `act` with so many bytes of memory held; 'busy', without a wait, when they are not to be had. */
  hold<T>(peer: PeerId, bytes: number, act: () => Promise<T>): Promise<T | 'busy'>
  /** Resolves when the upload limit lets so many bytes go. Rejects with `signal.reason`. */
  send(peer: PeerId, bytes: number, signal: AbortSignal): Promise<void>
}

const UNBOUNDED: AnswerBudget = {
  hold: (_peer, _bytes, act) => act(),
  send: () => Promise.resolve(),
}

export interface Answering {
  /** Accepts requests until `stop`; may be called again after it. */
  start(): void
  /** Resolves when no request is being answered any more. */
  stop(): Promise<void>
}

export interface AnswerOptions<Request, Response> {
  readonly maxStreamsPerPeer: number
  /**
   * What an answer takes of memory, in bytes, told without reading anything. Default: as much as a response may have. Not asked where
   * the protocol has beats: its memory is held once the answer is there.
   */
  readonly bytesFor?: (request: Request) => number
  /** Called when that memory is held, if it is held before. */
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
  const { host, clock, log, budget = UNBOUNDED } = deps
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
        await (protocol.beatMs === undefined
          ? respond(stream, request, limit)
          : respondLater(stream, request, { signal: limit, beatMs: protocol.beatMs }))
        await stream.end()
      })
    } catch (error) {
      stream.abort(toError(error))
      if (signal.aborted) return
      log.debug('request.failed', { protocol: protocol.id, peer, error })
      if (isCatalogError(error, 'PEER_MISBEHAVED')) deps.onMisbehaviour(peer, error.message)
    }
  }

  async function respond(stream: ByteStream, request: Request, signal: AbortSignal): Promise<void> {
    const bytes = options.bytesFor?.(request) ?? protocol.response.maxBytes
    await holding(stream.peer, bytes, async () => {
      const response = await options.answer(request, { peer: stream.peer, signal })
      if (response !== undefined) await send(stream, protocol.response.encode(response), signal)
    })
  }

  /** Memory is held when the response is there, even if the peer has not taken the last beat: until then nobody knows how much. */
  async function respondLater(
    stream: ByteStream,
    request: Request,
    { signal, beatMs }: { readonly signal: AbortSignal; readonly beatMs: number },
  ): Promise<void> {
    const { peer } = stream
    const over = new AbortController()
    const beating = beat(stream, { clock, beatMs, signal: AbortSignal.any([signal, over.signal]) })
    beating.catch(() => undefined) // awaited below
    const response = await options.answer(request, { peer, signal }).finally(() => over.abort())
    if (response === undefined) return await beating
    const body = protocol.response.encode(response)
    await holding(peer, body.byteLength, async () => {
      await beating
      await send(stream, body, signal)
    })
  }

  async function send(stream: ByteStream, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const frame = encodeFrame(body)
    await budget.send(stream.peer, frame.byteLength, signal)
    await stream.write(frame)
  }

  /** Where there is no room the stream is reset: without a response it would say that there is none. */
  async function holding(peer: PeerId, bytes: number, act: () => Promise<void>): Promise<void> {
    if ((await budget.hold(peer, bytes, act)) !== 'busy') return
    throw new CatalogError('PEER_BUSY', 'no memory for an answer', { peer })
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

/** Says that an answer is being made, at once and then again and again, until the signal. */
async function beat(
  stream: ByteStream,
  options: { readonly clock: Clock; readonly beatMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, beatMs, signal } = options
  while (!signal.aborted) {
    await stream.write(encodeFrame(BEAT))
    await clock.sleep(beatMs, signal).catch(() => undefined) // it ends so
  }
}

function stopped(): CatalogError {
  return new CatalogError('NODE_STOPPED', 'the node has stopped')
}
