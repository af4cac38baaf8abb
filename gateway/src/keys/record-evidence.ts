/**
 * What the evidence of a record is worth: whether the registry that it names has signed that these bytes are that version. Only
 * keys that this user has for that very registry count (trusted-keys.ts): so a mirror vouches for npm's packages only where the
 * user has imported npm's keys for it. https://docs.npmjs.com/about-registry-signatures
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import type { ArtifactRecord, EvidenceVerdict, Logger, VerifyEvidence } from '@catalog-p2p/core'
import { createTrustedKeys, KEYRING_MS, type TrustedKey } from './trusted-keys.ts'

export function createEvidenceVerifier(
  deps: { log: Logger },
  options: { keyringPath: string | undefined },
): VerifyEvidence {
  const trustedKeys = createTrustedKeys(deps, options)
  const keysOf = new Map<string, ReadonlyMap<string, KeyObject>>()
  let readAtMs = -Infinity

  async function keysFor(registry: string): Promise<ReadonlyMap<string, KeyObject> | undefined> {
    if (performance.now() - readAtMs > KEYRING_MS) {
      readAtMs = performance.now()
      keysOf.clear()
    }
    const known = keysOf.get(registry)
    if (known !== undefined) return known
    const keys = importKeys(await trustedKeys(registry))
    // Only registries with keys: whatever a peer names must not fill our memory.
    if (keys !== undefined) keysOf.set(registry, keys)
    return keys
  }

  return async (record) => {
    const { registry, evidence } = record
    const key = (await keysFor(registry))?.get(evidence.keyId)
    return key === undefined ? 'unknown' : await verifySignature(record, key)
  }
}

function importKeys(
  keys: readonly TrustedKey[] | undefined,
): ReadonlyMap<string, KeyObject> | undefined {
  if (keys === undefined) return undefined
  return new Map(
    keys.map(({ keyId, spki }) => [
      keyId,
      createPublicKey({ key: spki, format: 'der', type: 'spki' }),
    ]),
  )
}

/** On the thread pool: an install has a thousand of them. */
function verifySignature(
  { name, version, digest, evidence }: ArtifactRecord,
  key: KeyObject,
): Promise<EvidenceVerdict> {
  const text = Buffer.from(`${name}@${version}:${digest}`)
  return new Promise((resolve) => {
    verify('sha256', text, key, evidence.signature, (error, isValid) =>
      resolve(error === null && isValid ? 'valid' : 'invalid'),
    )
  })
}
