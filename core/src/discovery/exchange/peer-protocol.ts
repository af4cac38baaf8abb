/** Peer exchange as a request/response protocol: one question, or one piece of news, per stream. docs/protocol.md */
import type { RequestProtocol } from '../../rpc/protocol.ts'
import {
  decodePeerMessage,
  encodePeerMessage,
  MAX_PEERS_FRAME_BYTES,
  PEER_EXCHANGE_PROTOCOL,
  type PeerMessage,
} from '../../wire/peer-messages.ts'

const codec = {
  maxBytes: MAX_PEERS_FRAME_BYTES,
  encode: encodePeerMessage,
  decode: decodePeerMessage,
}

/** Either message may be the request; news has no response. */
export const PEER_EXCHANGE: RequestProtocol<PeerMessage, PeerMessage> = {
  id: PEER_EXCHANGE_PROTOCOL,
  timeoutMs: 10_000,
  request: codec,
  response: codec,
}
