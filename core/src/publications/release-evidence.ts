/**
 * What a release is worth as the evidence of a record: it is what its signer says, and whether that counts is decided by who may
 * publish the name here (a trust store, outside of the core). Asked first, so that strangers' signatures cost nothing.
 */
import type { ArtifactRecord, ReleaseEvidence } from '../content/record.ts'
import { isCatalogError } from '../errors.ts'
import type { EvidenceVerdict } from '../records/records.ts'
import { isKeyId, type KeyId } from '../signing/key-id.ts'
import { registryOf, type PublishedName } from './head-key.ts'
import { openRelease, type Release } from './release.ts'

/** Port: whether releases of this name by this key count on this machine. */
export type TrustsPublisher = (name: PublishedName) => boolean

/** The record that a release is. */
export function recordOf({ name, version, digest, publisher }: Release, statement: Uint8Array) {
  const registry = registryOf(publisher)
  return { registry, name, version, digest, evidence: { kind: 'release', statement } as const }
}

export function verifyRelease(
  record: ArtifactRecord & { readonly evidence: ReleaseEvidence },
  trusts: TrustsPublisher,
): EvidenceVerdict {
  const publisher = publisherIn(record.registry)
  if (publisher === undefined) return 'invalid'
  if (!trusts({ name: record.name, publisher })) return 'unknown'
  try {
    const release = openRelease(record.evidence.statement)
    const isSame =
      release.publisher === publisher &&
      release.name === record.name &&
      release.version === record.version &&
      release.digest === record.digest
    return isSame ? 'valid' : 'invalid'
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return 'invalid'
    throw error
  }
}

/** Whether the publisher of a record that was verified once may still publish that name. */
export function isTrustedRelease(
  { registry, name }: Pick<ArtifactRecord, 'registry' | 'name'>,
  trusts: TrustsPublisher,
): boolean {
  const publisher = publisherIn(registry)
  return publisher !== undefined && trusts({ name, publisher })
}

function publisherIn(registry: string): KeyId | undefined {
  const [, id = ''] = /^catalog-key:([^/]+)\/$/.exec(registry) ?? []
  return isKeyId(id) ? id : undefined
}
