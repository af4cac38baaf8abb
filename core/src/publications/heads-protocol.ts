/**
 * Asking a peer for a head: by its key, and only if it has one that is newer than, or contradicts, what the asker has. So the usual
 * answer is none, and forks come to light wherever both sides of one meet. docs/protocol.md, section Heads
 */
import { DIGEST_BYTES, digestFromBytes, digestToBytes, type Digest } from '../content/digest.ts'
import {
  NAME_KEY_BYTES,
  nameKeyFromBytes,
  nameKeyToBytes,
  type NameKey,
} from '../content/name-key.ts'
import { CatalogError } from '../errors.ts'
import type { RequestProtocol } from '../rpc/protocol.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import { MAX_HEAD_BYTES } from './head.ts'

export interface HeadRequest {
  readonly key: NameKey
  /** What the asker has. */
  readonly known: { readonly sequence: number; readonly digest: Digest } | undefined
}

/** That a node accepts of one peer at once. */
export const MAX_HEAD_STREAMS = 16

const HAS_NONE = 0
const HAS_ONE = 1

/** The response is the head's statement, which nobody has verified yet. */
export const HEADS: RequestProtocol<HeadRequest, Uint8Array> = {
  id: '/catalog/heads/1.0.0',
  // Less than a lookup waits: so who lets it hang is known for it, and asked last.
  timeoutMs: 2_500,
  // Some of those that a peer accepts are left free: it learns a moment later that one is over.
  maxAtOnce: MAX_HEAD_STREAMS - 4,
  request: {
    maxBytes: NAME_KEY_BYTES + 1 + 8 + DIGEST_BYTES,
    encode({ key, known }) {
      const fields = new FieldWriter().bytes(nameKeyToBytes(key))
      if (known === undefined) return fields.u8(HAS_NONE).toBytes()
      return fields.u8(HAS_ONE).u64(known.sequence).bytes(digestToBytes(known.digest)).toBytes()
    },
    decode(body) {
      const fields = new FieldReader(body)
      const key = nameKeyFromBytes(fields.bytes(NAME_KEY_BYTES))
      const has = fields.u8()
      if (has > HAS_ONE) throw new CatalogError('PEER_MISBEHAVED', `malformed request: ${has}`)
      const known =
        has === HAS_ONE
          ? { sequence: fields.u64(), digest: digestFromBytes(fields.bytes(DIGEST_BYTES)) }
          : undefined
      fields.end()
      return { key, known }
    },
  },
  response: {
    maxBytes: MAX_HEAD_BYTES,
    encode: (statement) => statement,
    decode: (body) => Uint8Array.from(body),
  },
}
