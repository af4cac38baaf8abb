/** A question that names something by a hash, so that it says nothing to who does not know the name. Pure. */
import { createHash } from 'node:crypto'
import { FieldReader, type RequestProtocol } from '@catalog-p2p/core'

export interface MarkRequest {
  /** Of `markOf`. */
  readonly mark: string
}

const MARK_BYTES = 32

/** Hex. `domain`: what kind of thing is named. */
export function markOf(domain: string, ...words: readonly string[]): string {
  return createHash('sha256')
    .update([domain, ...words].join('\0'))
    .digest('hex')
}

export const MARK_REQUEST: RequestProtocol<MarkRequest, unknown>['request'] = {
  maxBytes: MARK_BYTES,
  encode: ({ mark }) => Uint8Array.from(Buffer.from(mark, 'hex')),
  decode(body) {
    const reader = new FieldReader(body)
    const mark = Buffer.from(reader.bytes(MARK_BYTES)).toString('hex')
    reader.end()
    return { mark }
  },
}
