/**
 * `/catalog/certificates/1.0.0` as bytes, and back, within its bounds: what a peer knows of an organisation whose root key id both
 * know. The question names the root by a hash with the asked peer's id in it, so that it tells nothing to whoever does not know the
 * root, and whoever is asked can't ask others the same. Pure. docs/protocol.md, section Certificates
 */
import {
  CatalogError,
  FieldReader,
  FieldWriter,
  MAX_CERTIFICATE_BYTES,
  MAX_REVOCATIONS_BYTES,
  type KeyId,
  type RequestProtocol,
} from '@catalog-p2p/core'
import { MARK_REQUEST, markOf, type MarkRequest } from './mark-request.ts'
import { MAX_PUBLISHERS, type OrganisationStatements } from './organisation.ts'

const DOMAIN = 'catalog-p2p organisation 1'
const TIMEOUT_MS = 5_000

export function organisationMark(root: KeyId, peer: string): string {
  return markOf(DOMAIN, root, peer)
}

export const CERTIFICATES: RequestProtocol<MarkRequest, OrganisationStatements> = {
  id: '/catalog/certificates/1.0.0',
  timeoutMs: TIMEOUT_MS,
  request: MARK_REQUEST,
  response: {
    maxBytes: 8 + MAX_REVOCATIONS_BYTES + MAX_PUBLISHERS * (4 + MAX_CERTIFICATE_BYTES),
    encode({ revocations = new Uint8Array(), certificates }) {
      const writer = new FieldWriter().u32(revocations.byteLength).bytes(revocations)
      writer.u8(certificates.length)
      for (const each of certificates) writer.u32(each.byteLength).bytes(each)
      return writer.toBytes()
    },
    decode(body) {
      const reader = new FieldReader(body)
      const list = sized(reader, MAX_REVOCATIONS_BYTES)
      const count = reader.u8()
      if (count > MAX_PUBLISHERS) throw misbehaved(`${count} certificates`)
      const certificates: Uint8Array[] = []
      for (let i = 0; i < count; i += 1) certificates.push(sized(reader, MAX_CERTIFICATE_BYTES))
      reader.end()
      return { revocations: list.byteLength === 0 ? undefined : list, certificates }
    },
  },
}

/** A copy: it is kept. */
function sized(reader: FieldReader, maxBytes: number): Uint8Array {
  const length = reader.u32()
  if (length > maxBytes) throw misbehaved(`${length} bytes where ${maxBytes} are the most`)
  return Uint8Array.from(reader.bytes(length))
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `certificates: ${what}`)
}
