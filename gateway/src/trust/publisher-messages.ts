/**
 * `/catalog/publishers/1.0.0` as bytes, and back, within its bounds: who publishes a package, as far as the asked peer does so itself.
 * The name goes as a hash. What a peer answers proves nothing: whoever asks looks for the publisher's own signed head. Pure.
 * docs/protocol.md, section Publishers
 */
import { createHash } from 'node:crypto'
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  keyIdFromBytes,
  keyIdToBytes,
  type KeyId,
  type RequestProtocol,
} from '@catalog-p2p/core'

export const MAX_PUBLISHERS_TOLD = 8
const MARK_BYTES = 32
const KEY_ID_BYTES = 32
const DOMAIN = 'catalog-p2p publishers 1'
const TIMEOUT_MS = 2_000

/** Hex. */
export function publishedMark(name: string): string {
  return createHash('sha256').update([DOMAIN, name].join('\0')).digest('hex')
}

export const PUBLISHERS: RequestProtocol<{ readonly mark: string }, readonly KeyId[]> = {
  id: '/catalog/publishers/1.0.0',
  timeoutMs: TIMEOUT_MS,
  request: {
    maxBytes: MARK_BYTES,
    encode: ({ mark }) => Uint8Array.from(Buffer.from(mark, 'hex')),
    decode(body) {
      const reader = new FieldReader(body)
      const mark = Buffer.from(reader.bytes(MARK_BYTES)).toString('hex')
      reader.end()
      return { mark }
    },
  },
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
