/**
 * Metadata of packages between peers, as a request/response protocol: asked for by the package's key, answered with a document
 * that holds signed versions only (signed-document.ts). The codec believes nothing and reads no document. docs/protocol.md,
 * section Packuments
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  nameKeyFromBytes,
  nameKeyToBytes,
  type NameKey,
  type RequestProtocol,
} from '@catalog-p2p/core'

export interface PackumentRequestMessage {
  /** Of the package. */
  readonly key: NameKey
}

export interface PackumentResponseMessage {
  /** When the registry last gave or confirmed it, as the peer says; Unix time, milliseconds. */
  readonly fetchedAtMs: number
  /** JSON, gzipped. */
  readonly document: Uint8Array
}

export const PACKUMENTS_PROTOCOL = '/catalog/packuments/1.0.0'
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
const KEY_BYTES = 32
const TIME_BYTES = 8
/** A client waits for the slowest of the peers that are asked. */
const TIMEOUT_MS = 5_000

export const PACKUMENTS: RequestProtocol<PackumentRequestMessage, PackumentResponseMessage> = {
  id: PACKUMENTS_PROTOCOL,
  timeoutMs: TIMEOUT_MS,
  request: {
    maxBytes: KEY_BYTES,
    encode: ({ key }) => nameKeyToBytes(key),
    decode(body) {
      const reader = new FieldReader(body)
      const key = nameKeyFromBytes(reader.bytes(KEY_BYTES))
      reader.end()
      return { key }
    },
  },
  response: {
    maxBytes: TIME_BYTES + MAX_DOCUMENT_BYTES,
    encode: ({ fetchedAtMs, document }) =>
      new FieldWriter().u64(fetchedAtMs).bytes(document).toBytes(),
    decode(body) {
      const reader = new FieldReader(body)
      const fetchedAtMs = reader.u64()
      const document = reader.rest()
      if (document.byteLength === 0) {
        throw new CatalogError('PEER_MISBEHAVED', 'malformed message: an empty document')
      }
      return { fetchedAtMs, document }
    },
  },
}
