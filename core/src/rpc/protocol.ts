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
  /** Questions that may be under way to one peer; more wait for their turn, within their own signal. Default: no bound. */
  readonly maxAtOnce?: number
  readonly request: MessageCodec<Request>
  readonly response: MessageCodec<Response>
}

/** One kind of message, as the body of a frame. */
export interface MessageCodec<Message> {
  readonly maxBytes: number
  encode(message: Message): Uint8Array
  /** @throws CatalogError PEER_MISBEHAVED for anything that `encode` would not have made */
  decode(body: Uint8Array): Message
}

/**
 * The one message of a side of a stream; undefined when the remote has ended its side without one.
 * @throws CatalogError PEER_MISBEHAVED for anything but one well-formed message
 */
export async function readMessage<Message>(
  stream: ByteStream,
  codec: MessageCodec<Message>,
): Promise<Message | undefined> {
  const splitter = createFrameSplitter(codec.maxBytes)
  let message: Message | undefined
  for await (const bytes of stream.source) {
    for (const body of splitter.push(bytes)) {
      if (message !== undefined) {
        throw new CatalogError('PEER_MISBEHAVED', 'a second message on a stream for one')
      }
      message = codec.decode(body)
    }
  }
  return message
}
