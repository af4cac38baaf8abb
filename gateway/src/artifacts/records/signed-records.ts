/** Records out of what a registry says of a version: one for each of its signatures. Pure; whoever takes them in verifies them. */
import { findDigest, isDigest, type ArtifactRecord, type PackageVersion } from '@catalog-p2p/core'
import { parseSignatures } from '../../keys/registry-signature.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'

/** What the registry has signed of a version whose one hash is a sha512. */
export function recordsOf(version: PackageVersion, facts: VersionFacts): ArtifactRecord[] {
  const digest = findDigest(facts.integrity)
  if (digest === undefined || !isDigest(facts.integrity)) return []
  return parseSignatures(facts.signatures).map(({ keyid, sig }) => ({
    ...version,
    digest,
    evidence: {
      kind: 'registry-signature',
      keyId: keyid,
      signature: Uint8Array.from(Buffer.from(sig, 'base64')),
    },
  }))
}
