/**
 * `/catalog/publishers/1.0.0` as bytes, and back, within its bounds: who publishes a package, as far as the asked peer does so itself.
 * The name goes as a hash. What a peer answers proves nothing: whoever asks looks for the publisher's own signed head. Pure.
 * docs/protocol.md, section Publishers
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  keyIdFromBytes,
  keyIdToBytes,
  type KeyId,
  type RequestProtocol,
} from '@catalog-p2p/core'
import { MARK_REQUEST, markOf, type MarkRequest } from './mark-request.ts'

export const MAX_PUBLISHERS_TOLD = 8
const KEY_ID_BYTES = 32
const DOMAIN = 'catalog-p2p publishers 1'
const TIMEOUT_MS = 2_000

export function publishedMark(name: string): string {
  return markOf(DOMAIN, name)
}

export const PUBLISHERS: RequestProtocol<MarkRequest, readonly KeyId[]> = {
  id: '/catalog/publishers/1.0.0',
  timeoutMs: TIMEOUT_MS,
  request: MARK_REQUEST,
  response: {
    maxBytes: 1 + MAX_PUBLISHERS_TOLD * KEY_ID_BYTES,
    encode(publishers) {
      const writer = new FieldWriter().u8(publishers.length)
      for (const each of publishers) writer.bytes(keyIdToBytes(each))
      return writer.toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const count = reader.u8()
      if (count > MAX_PUBLISHERS_TOLD) {
        throw new CatalogError('PEER_MISBEHAVED', `publishers: ${count} of them`)
      }
      const found: KeyId[] = []
      for (let i = 0; i < count; i += 1) found.push(keyIdFromBytes(reader.bytes(KEY_ID_BYTES)))
      reader.end()
      return found
    },
  },
}
