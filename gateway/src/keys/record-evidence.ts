/**
 * What the evidence of a record is worth: whether the registry that it names has signed that these bytes are that version. Only
 * keys that this user has for that very registry count: npm's pinned ones for npm's public registry, imported ones for any
 * other. So a mirror vouches for npm's packages only where the user has imported npm's keys for it. Keys never come from a peer.
 * https://docs.npmjs.com/about-registry-signatures
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import {
  isCatalogError,
  type ArtifactRecord,
  type EvidenceVerdict,
  type Logger,
  type VerifyEvidence,
} from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { effectiveKeys, readKeyring, type Keyring } from './keyring.ts'

/** Keys that are imported count after so long at most. */
const REREAD_MS = 10_000

export function createEvidenceVerifier(
  { log }: { log: Logger },
  { keyringPath }: { keyringPath: string | undefined },
): VerifyEvidence {
  let reading: Promise<Keyring> | undefined
  let readAtMs = -Infinity
  const keysOf = new Map<string, ReadonlyMap<string, KeyObject>>()

  async function keyring(): Promise<Keyring> {
    if (keyringPath === undefined) return new Map()
    try {
      return await readKeyring(keyringPath)
    } catch (error) {
      if (!isCatalogError(error)) throw error
      log.warn('keys.keyring-unreadable', { reason: error.message })
      return new Map()
    }
  }

  async function keysFor(registry: string): Promise<ReadonlyMap<string, KeyObject>> {
    if (performance.now() - readAtMs > REREAD_MS) {
      readAtMs = performance.now()
      reading = keyring()
      keysOf.clear()
    }
    const ring = (await reading) ?? new Map()
    let keys = keysOf.get(registry)
    if (keys !== undefined) return keys
    const isKnown = registry === DEFAULT_REGISTRY || ring.has(registry)
    keys = isKnown ? importKeys(ring, registry) : new Map<string, KeyObject>()
    // Only registries with keys: whatever a peer names must not fill our memory.
    if (isKnown) keysOf.set(registry, keys)
    return keys
  }

  return async (record) => {
    const { registry, evidence } = record
    const key = (await keysFor(registry)).get(evidence.keyId)
    return key === undefined ? 'unknown' : await verifySignature(record, key)
  }
}

function importKeys(keyring: Keyring, registry: string): ReadonlyMap<string, KeyObject> {
  return new Map(
    effectiveKeys(keyring, registry).map(({ keyid, key }) => [
      keyid,
      createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' }),
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
