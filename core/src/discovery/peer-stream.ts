/** Reads the one message that a side of a peer exchange stream carries. docs/protocol.md, section Peer exchange */
import { CatalogError } from '../errors.ts'
import type { ByteStream } from '../host/host.ts'
import { createFrameSplitter } from '../wire/frames.ts'
import { decodePeerMessage, MAX_PEERS_FRAME_BYTES, type PeerMessage } from './peer-messages.ts'

/**
 * Undefined when the remote has ended its side without a whole message, as it does when it goes away.
 * @throws CatalogError PEER_MISBEHAVED for anything but one well-formed message
 */
export async function readPeerMessage(stream: ByteStream): Promise<PeerMessage | undefined> {
  const splitter = createFrameSplitter(MAX_PEERS_FRAME_BYTES)
  let message: PeerMessage | undefined
  for await (const bytes of stream.source) {
    for (const body of splitter.push(bytes)) {
      if (message !== undefined) {
        throw new CatalogError('PEER_MISBEHAVED', 'a second message on a stream for one')
      }
      message = decodePeerMessage(body)
    }
  }
  return message
}
