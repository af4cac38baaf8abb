/**
 * `/catalog/build-results/1.0.0` as bytes, and back, within its bounds: a build key, and what writers have signed of it. Pure.
 * docs/protocol.md, section Build results
 */
import { CatalogError, FieldReader, FieldWriter, type RequestProtocol } from '@catalog-p2p/core'
import { MARK_REQUEST, type MarkRequest } from '../trust/mark-request.ts'
import { MAX_BUILD_STATEMENT_BYTES } from './build-statement.ts'

/** Of one build key: that of several writers. */
export const MAX_STATEMENTS = 4
const TIMEOUT_MS = 5_000

/** The mark is a build key. */
export const BUILD_RESULTS: RequestProtocol<MarkRequest, readonly Uint8Array[]> = {
  id: '/catalog/build-results/1.0.0',
  timeoutMs: TIMEOUT_MS,
  maxAtOnce: 8,
  request: MARK_REQUEST,
  response: {
    maxBytes: 1 + MAX_STATEMENTS * (4 + MAX_BUILD_STATEMENT_BYTES),
    encode(statements) {
      const writer = new FieldWriter().u8(statements.length)
      for (const each of statements) writer.u32(each.byteLength).bytes(each)
      return writer.toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const count = reader.u8()
      if (count === 0 || count > MAX_STATEMENTS) throw misbehaved(`${count} statements`)
      const statements = Array.from({ length: count }, () => {
        const length = reader.u32()
        if (length > MAX_BUILD_STATEMENT_BYTES) throw misbehaved(`a statement of ${length} bytes`)
        return Uint8Array.from(reader.bytes(length)) // a copy: it is kept
      })
      reader.end()
      return statements
    },
  },
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `build results: ${what}`)
}
