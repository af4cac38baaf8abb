/**
 * What the evidence of a record is worth: whether the registry that it names has signed that these bytes are that version. Only
 * keys that this user has for that very registry count (trusted-keys.ts): so a mirror vouches for npm's packages only where the
 * user has imported npm's keys for it. https://docs.npmjs.com/about-registry-signatures
 */
import { verify, type KeyObject } from 'node:crypto'
import type { ArtifactRecord, EvidenceVerdict, Logger, VerifyEvidence } from '@catalog-p2p/core'
import { createTrustedKeys, keyObjectsOf } from './trusted-keys.ts'

export function createEvidenceVerifier(
  deps: { log: Logger },
  options: { keyringPath: string | undefined },
): VerifyEvidence {
  const trustedKeys = createTrustedKeys(deps, options)
  return async (record) => {
    const { registry, evidence } = record
    if (evidence.kind !== 'registry-signature') return 'unknown'
    const keys = await trustedKeys(registry)
    const key = keys && keyObjectsOf(keys).get(evidence.keyId)
    return key === undefined
      ? 'unknown'
      : await verifySignature(record, { key, signature: evidence.signature })
  }
}

/** On the thread pool: an install has a thousand of them. */
function verifySignature(
  { name, version, digest }: ArtifactRecord,
  { key, signature }: { readonly key: KeyObject; readonly signature: Uint8Array },
): Promise<EvidenceVerdict> {
  const text = Buffer.from(`${name}@${version}:${digest}`)
  return new Promise((resolve) => {
    verify('sha256', text, key, signature, (error, isValid) =>
      resolve(error === null && isValid ? 'valid' : 'invalid'),
    )
  })
}
