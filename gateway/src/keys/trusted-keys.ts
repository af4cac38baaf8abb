/**
 * The keys that this user has for a registry: npm's pinned ones for npm's public registry, imported ones for any other. The
 * keyring is read again every ten seconds at most. Keys never come from a peer.
 */
import { isCatalogError, type Logger } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { effectiveKeys, readKeyring, type Keyring } from './keyring.ts'

export interface TrustedKey {
  /** As `dist.signatures` names it. */
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
}

/** Of a registry's URL with its trailing slash; undefined: there are none for it. */
export type TrustedKeys = (registry: string) => Promise<readonly TrustedKey[] | undefined>

/** Keys that are imported count after so long at most. */
export const KEYRING_MS = 10_000

export function createTrustedKeys(
  { log }: { log: Logger },
  { keyringPath }: { keyringPath: string | undefined },
): TrustedKeys {
  let reading: Promise<Keyring> | undefined
  let readAtMs = -Infinity

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

  return async (registry) => {
    if (reading === undefined || performance.now() - readAtMs > KEYRING_MS) {
      readAtMs = performance.now()
      reading = keyring()
    }
    const ring = await reading
    if (registry !== DEFAULT_REGISTRY && !ring.has(registry)) return undefined
    return effectiveKeys(ring, registry).map(({ keyid, key }) => ({
      keyId: keyid,
      spki: Buffer.from(key, 'base64'),
    }))
  }
}
