/**
 * `/catalog/replicas/1.0.0` as bytes, and back: a publisher's newest head of a package, and whether the peer now keeps it for others.
 * Pure. Says nothing of private packages. docs/protocol.md, section Replicas
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  keyIdFromBytes,
  keyIdToBytes,
  type PublishedName,
  type RequestProtocol,
} from '@catalog-p2p/core'
import { isPackageName } from '../http/route.ts'

/** Of a tarball: it passes through the memory of who keeps it. */
export const MAX_REPLICA_BYTES = 64 * 1024 * 1024
const MAX_NAME_BYTES = 214
const KEY_ID_BYTES = 32
const MAX_HEAD_BYTES = 1024 * 1024
/** The peer fetches the package meanwhile. */
const TIMEOUT_MS = 30_000

export interface ReplicaRequest extends PublishedName {
  /** As it was signed; the receiver verifies it. */
  readonly head: Uint8Array
}

/** The response: whether it is kept. */
export const REPLICAS: RequestProtocol<ReplicaRequest, boolean> = {
  id: '/catalog/replicas/1.0.0',
  timeoutMs: TIMEOUT_MS,
  request: {
    maxBytes: 2 + MAX_NAME_BYTES + KEY_ID_BYTES + MAX_HEAD_BYTES,
    encode: ({ name, publisher, head }) =>
      new FieldWriter().text(name).bytes(keyIdToBytes(publisher)).bytes(head).toBytes(),
    decode(body) {
      const fields = new FieldReader(body)
      const name = fields.text(MAX_NAME_BYTES)
      if (!isPackageName(name)) throw misbehaved('a name that no package has')
      const publisher = keyIdFromBytes(fields.bytes(KEY_ID_BYTES))
      return { name, publisher, head: Uint8Array.from(fields.rest()) }
    },
  },
  response: {
    maxBytes: 1,
    encode: (isKept) => new FieldWriter().u8(isKept ? 1 : 0).toBytes(),
    decode(body) {
      const fields = new FieldReader(body)
      const value = fields.u8()
      fields.end()
      if (value > 1) throw misbehaved(`an answer of ${value}`)
      return value === 1
    },
  },
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `replicas: ${what}`)
}
