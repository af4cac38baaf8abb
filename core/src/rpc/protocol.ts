/**
 * What a request/response protocol between two peers is, as data: one stream, one request, at most one response. Pure.
 * Not for what streams (inventories) or pipelines (transfers): those have protocols of their own.
 */
import { CatalogError } from '../errors.ts'
import type { ByteStream } from '../host/host.ts'
import { createFrameSplitter } from '../wire/frames.ts'

export interface RequestProtocol<Request, Response> {
  /** Of the stream, with its version: `/catalog/peers/1.0.0`. */
  readonly id: string
  /** From opening the stream to its end. */
  readonly timeoutMs: number
  /**
   * An answer may take long: until it is there, the answering side says every so many milliseconds that it is at it, by a
   * frame of one zero byte, which no response may be. Default: it says nothing.
   */
  readonly beatMs?: number
  /** Questions that may be under way to one peer; more wait for their turn, within their own signal. Default: no bound. */
  readonly maxAtOnce?: number
  readonly request: MessageCodec<Request>
  readonly response: MessageCodec<Response>
}

/** That an answer is being made. */
export const BEAT = Uint8Array.of(0)

/** One kind of message, as the body of a frame. */
export interface MessageCodec<Message> {
  readonly maxBytes: number
  encode(message: Message): Uint8Array
  /** @throws CatalogError PEER_MISBEHAVED for anything that `encode` would not have made */
  decode(body: Uint8Array): Message
}

/**
 * The one message of a side of a stream; undefined when the remote has ended its side without one.
 * @param onHeard told whenever something comes, even if it is no more than that the other side is at it
 * @throws CatalogError PEER_MISBEHAVED for anything but one well-formed message
 */
export async function readMessage<Message>(
  stream: ByteStream,
  codec: MessageCodec<Message>,
  { beats = false, onHeard }: { beats?: boolean; onHeard?: (() => void) | undefined } = {},
): Promise<Message | undefined> {
  const splitter = createFrameSplitter(codec.maxBytes)
  let message: Message | undefined
  for await (const bytes of stream.source) {
    onHeard?.()
    for (const body of splitter.push(bytes)) {
      if (beats && isBeat(body)) continue
      if (message !== undefined) {
        throw new CatalogError('PEER_MISBEHAVED', 'a second message on a stream for one')
      }
      message = codec.decode(body)
    }
  }
  return message
}

function isBeat(body: Uint8Array): boolean {
  return body.byteLength === BEAT.byteLength && body[0] === BEAT[0]
}
