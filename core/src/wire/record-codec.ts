/** A record as bytes, and back. Nothing is believed here: only the form is checked. docs/protocol.md, section Records */
import { DIGEST_BYTES, digestFromBytes, digestToBytes } from '../content/digest.ts'
import {
  isWithinRecordLimits,
  RECORD_LIMITS,
  type ArtifactRecord,
  type Evidence,
} from '../content/record.ts'
import { CatalogError } from '../errors.ts'
import { FieldWriter, type FieldReader } from './fields.ts'

const EVIDENCE_KINDS = { 'registry-signature': 1, release: 2 } as const

export function encodeRecord(record: ArtifactRecord): Uint8Array {
  const { registry, name, version, digest, evidence } = record
  const fields = new FieldWriter()
    .text(registry)
    .text(name)
    .text(version)
    .bytes(digestToBytes(digest))
    .u8(EVIDENCE_KINDS[evidence.kind])
  const proof = evidence.kind === 'release' ? evidence.statement : evidence.signature
  if (evidence.kind === 'registry-signature') fields.text(evidence.keyId)
  return fields.u16(proof.byteLength).bytes(proof).toBytes()
}

/** The rest of `fields` is the record, which is copied out. @throws CatalogError PEER_MISBEHAVED */
export function decodeRecord(fields: FieldReader): ArtifactRecord {
  const registry = fields.text(RECORD_LIMITS.registry)
  const name = fields.text(RECORD_LIMITS.name)
  const version = fields.text(RECORD_LIMITS.version)
  const digest = digestFromBytes(fields.bytes(DIGEST_BYTES))
  const evidence = decodeEvidence(fields)
  fields.end()
  const record = { registry, name, version, digest, evidence }
  if (!isWithinRecordLimits(record)) throw malformed('text that no registry has')
  return record
}

function decodeEvidence(fields: FieldReader): Evidence {
  const kind = fields.u8()
  if (kind === EVIDENCE_KINDS.release) {
    return { kind: 'release', statement: proofOf(fields, RECORD_LIMITS.statement) }
  }
  if (kind !== EVIDENCE_KINDS['registry-signature']) throw malformed(`evidence of kind ${kind}`)
  const keyId = fields.text(RECORD_LIMITS.keyId)
  return { kind: 'registry-signature', keyId, signature: proofOf(fields, RECORD_LIMITS.signature) }
}

function proofOf(fields: FieldReader, max: number): Uint8Array {
  const length = fields.u16()
  if (length > max) throw malformed(`a proof of ${length} bytes`)
  return Uint8Array.from(fields.bytes(length))
}

function malformed(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `malformed record: ${what}`)
}
