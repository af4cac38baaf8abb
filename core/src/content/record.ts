/**
 * A record: that a registry has these bytes under this name and version, and why anybody should believe it. With evidence that
 * verifies it is as good from an enemy as from a friend; without, it is nothing. Pure: data and its bounds. What verifies the
 * evidence is a port that the node is given (records/records.ts). docs/protocol.md, section Records
 */
import type { Digest } from './digest.ts'
import type { PackageVersion } from './name-key.ts'

/** The registry's signature over `name@version:integrity`. https://docs.npmjs.com/about-registry-signatures */
export interface RegistrySignature {
  readonly kind: 'registry-signature'
  /** Names the registry's key, as `dist.signatures` does. */
  readonly keyId: string
  readonly signature: Uint8Array
}

/** A publisher's signed release of this very version. docs/protocol.md, section Releases */
export interface ReleaseEvidence {
  readonly kind: 'release'
  readonly statement: Uint8Array
}

export type Evidence = RegistrySignature | ReleaseEvidence

export interface ArtifactRecord extends PackageVersion {
  readonly digest: Digest
  readonly evidence: Evidence
}

/** Bytes of UTF-8. */
export const RECORD_LIMITS = {
  registry: 1024,
  name: 214,
  version: 256,
  keyId: 256,
  signature: 512,
  statement: 65_535,
} as const

const PLAIN = /^[\x20-\x7e]+$/

/** Whether it keeps to the bounds that every node has: others are refused, and so never sent. */
export function isWithinRecordLimits(record: ArtifactRecord): boolean {
  const { registry, name, version, evidence } = record
  const isPlain = Object.entries({ registry, name, version }).every(([field, text]) =>
    isWithin(text, RECORD_LIMITS[field as 'registry' | 'name' | 'version']),
  )
  if (evidence.kind === 'release') return isPlain && fits(evidence.statement, 'statement')
  return (
    isPlain &&
    isWithin(evidence.keyId, RECORD_LIMITS.keyId) &&
    fits(evidence.signature, 'signature')
  )
}

function isWithin(text: string, max: number): boolean {
  return text.length <= max && PLAIN.test(text)
}

function fits({ byteLength }: Uint8Array, field: 'signature' | 'statement'): boolean {
  return byteLength > 0 && byteLength <= RECORD_LIMITS[field]
}

/** Whether its texts are of printable ASCII, as those of every registry are. */
export function isPlainVersion({ registry, name, version }: PackageVersion): boolean {
  return [registry, name, version].every((text) => PLAIN.test(text))
}
