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
  /** SHA-256 of documents at hand, as they came: whoever would send one of these says so instead. */
  readonly known: readonly Uint8Array[]
}

export interface PackumentResponseMessage {
  /** When the registry last gave or confirmed it, as the peer says; Unix time, milliseconds. */
  readonly fetchedAtMs: number
  /** JSON, gzipped; empty: it is one of those that the request names. */
  readonly document: Uint8Array
}

const PACKUMENTS_PROTOCOL = '/catalog/packuments/1.0.0'
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
/** A document from peers is made of so many at most. */
export const MAX_KNOWN = 3
const KEY_BYTES = 32
const DIGEST_BYTES = 32
const TIME_BYTES = 8
/** A client waits for the slowest of the peers that are asked. */
const TIMEOUT_MS = 5_000

export const PACKUMENTS: RequestProtocol<PackumentRequestMessage, PackumentResponseMessage> = {
  id: PACKUMENTS_PROTOCOL,
  timeoutMs: TIMEOUT_MS,
  request: {
    maxBytes: KEY_BYTES + MAX_KNOWN * DIGEST_BYTES,
    encode: ({ key, known }) => Buffer.concat([nameKeyToBytes(key), ...known]),
    decode(body) {
      const reader = new FieldReader(body)
      const key = nameKeyFromBytes(reader.bytes(KEY_BYTES))
      return { key, known: digestsIn(reader.rest()) }
    },
  },
  response: {
    maxBytes: TIME_BYTES + MAX_DOCUMENT_BYTES,
    encode: ({ fetchedAtMs, document }) =>
      new FieldWriter().u64(fetchedAtMs).bytes(document).toBytes(),
    decode(body) {
      const reader = new FieldReader(body)
      const fetchedAtMs = reader.u64()
      return { fetchedAtMs, document: reader.rest() }
    },
  },
}

function digestsIn(bytes: Uint8Array): Uint8Array[] {
  if (bytes.byteLength % DIGEST_BYTES !== 0) {
    throw new CatalogError('PEER_MISBEHAVED', 'malformed message: half a digest')
  }
  return Array.from({ length: bytes.byteLength / DIGEST_BYTES }, (_, index) =>
    bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
  )
}
