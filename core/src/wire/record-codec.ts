/** A record as bytes, and back. Nothing is believed here: only the form is checked. docs/protocol.md, section Records */
import { DIGEST_BYTES, digestFromBytes, digestToBytes } from '../content/digest.ts'
import { isWithinRecordLimits, RECORD_LIMITS, type ArtifactRecord } from '../content/record.ts'
import { CatalogError } from '../errors.ts'
import { FieldWriter, type FieldReader } from './fields.ts'

const EVIDENCE_KINDS = { 'registry-signature': 1 } as const

export function encodeRecord({
  registry,
  name,
  version,
  digest,
  evidence,
}: ArtifactRecord): Uint8Array {
  return new FieldWriter()
    .text(registry)
    .text(name)
    .text(version)
    .bytes(digestToBytes(digest))
    .u8(EVIDENCE_KINDS[evidence.kind])
    .text(evidence.keyId)
    .u16(evidence.signature.byteLength)
    .bytes(evidence.signature)
    .toBytes()
}

/** The rest of `fields` is the record, which is copied out. @throws CatalogError PEER_MISBEHAVED */
export function decodeRecord(fields: FieldReader): ArtifactRecord {
  const registry = fields.text(RECORD_LIMITS.registry)
  const name = fields.text(RECORD_LIMITS.name)
  const version = fields.text(RECORD_LIMITS.version)
  const digest = digestFromBytes(fields.bytes(DIGEST_BYTES))
  const kind = fields.u8()
  if (kind !== EVIDENCE_KINDS['registry-signature']) throw malformed(`evidence of kind ${kind}`)
  const keyId = fields.text(RECORD_LIMITS.keyId)
  const length = fields.u16()
  if (length > RECORD_LIMITS.signature) throw malformed(`a signature of ${length} bytes`)
  const signature = Uint8Array.from(fields.bytes(length))
  fields.end()
  const evidence = { kind: 'registry-signature', keyId, signature } as const
  const record = { registry, name, version, digest, evidence }
  if (!isWithinRecordLimits(record)) throw malformed('text that no registry has')
  return record
}

function malformed(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `malformed record: ${what}`)
}
