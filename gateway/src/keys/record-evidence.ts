/**
 * What the evidence of a record is worth: whether the registry that it names has signed that these bytes are that version. Only
 * keys that this user has for that very registry count (trusted-keys.ts): so a mirror vouches for npm's packages only where the
 * user has imported npm's keys for it. A key that is dropped takes along all that it alone has signed.
 * https://docs.npmjs.com/about-registry-signatures
 */
import type { ArtifactRecord, EvidenceVerdict, Logger, VerifyEvidence } from '@catalog-p2p/core'
import { createKeyringReader, keyObjectsOf, keysIn, trustedKeysOf } from './trusted-keys.ts'
import { verifyOncePooled } from './verify-once.ts'

export function createEvidenceVerifier(
  deps: { log: Logger },
  options: { keyringPath: string | undefined },
): VerifyEvidence {
  const reader = createKeyringReader(deps, options)
  const trustedKeys = trustedKeysOf(reader)
  // So that records count from the first request on.
  reader.latest()

  const verify = async (record: ArtifactRecord): Promise<EvidenceVerdict> => {
    const { registry, name, version, digest, evidence } = record
    if (evidence.kind !== 'registry-signature') return 'unknown'
    const { keyId, signature } = evidence
    const keys = await trustedKeys(registry)
    const key = keys && keyObjectsOf(keys).get(keyId)
    if (key === undefined) return 'unknown'
    const text = `${name}@${version}:${digest}`
    const sig = Buffer.from(signature).toString('base64')
    // On the thread pool: an install has a thousand of them.
    return (await verifyOncePooled({ keyId, key, text, sig })) ? 'valid' : 'invalid'
  }

  return Object.assign(verify, {
    stillCounts({ registry, evidence }: ArtifactRecord): boolean {
      if (evidence.kind !== 'registry-signature') return true
      const keyring = reader.latest()
      const keys = keyring && keysIn(keyring, registry)
      return keys !== undefined && keyObjectsOf(keys).has(evidence.keyId)
    },
  })
}
