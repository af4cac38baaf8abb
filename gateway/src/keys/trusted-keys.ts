/**
 * The keys that this user has for a registry: npm's pinned ones for npm's public registry, imported ones for any other. The
 * keyring is read again every ten seconds at most. Keys never come from a peer.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Logger } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { effectiveKeys, readKeyringOrNone, type Keyring } from './keyring.ts'

export interface TrustedKey {
  /** As `dist.signatures` names it. */
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER: what a worker can be sent. */
  readonly spki: Uint8Array
}

/** Of a registry's URL with its trailing slash; undefined: there are none for it. The same list until the keyring is read again. */
export type TrustedKeys = (registry: string) => Promise<readonly TrustedKey[] | undefined>

/** Keys that are imported count after so long at most. */
const KEYRING_MS = 10_000

export interface KeyringReader {
  read(): Promise<Keyring>
  /** What was read last, without waiting; undefined: nothing has been yet. It is read again behind this when it is time to. */
  latest(): Keyring | undefined
}

export function createKeyringReader(
  { log }: { log: Logger },
  { keyringPath }: { keyringPath: string | undefined },
): KeyringReader {
  let reading: Promise<Keyring> | undefined
  let readAtMs = -Infinity
  let last: Keyring | undefined

  function read(): Promise<Keyring> {
    if (reading === undefined || performance.now() - readAtMs > KEYRING_MS) {
      readAtMs = performance.now()
      reading = readKeyringOrNone(log, keyringPath).then((keyring) => (last = keyring))
    }
    return reading
  }

  return {
    read,
    latest() {
      read().catch((error: unknown) => log.warn('keys.keyring-unreadable', { error }))
      return last
    },
  }
}

export function createTrustedKeys(
  deps: { log: Logger },
  options: { keyringPath: string | undefined },
): TrustedKeys {
  return trustedKeysOf(createKeyringReader(deps, options))
}

export function trustedKeysOf(reader: KeyringReader): TrustedKeys {
  return async (registry) => keysIn(await reader.read(), registry)
}

const lists = new WeakMap<Keyring, Map<string, readonly TrustedKey[]>>()

/** Made once for each registry of a keyring, and only of those that have keys: what a peer names must not fill our memory. */
export function keysIn(keyring: Keyring, registry: string): readonly TrustedKey[] | undefined {
  if (registry !== DEFAULT_REGISTRY && !keyring.has(registry)) return undefined
  const known = lists.get(keyring) ?? new Map<string, readonly TrustedKey[]>()
  lists.set(keyring, known)
  const found = known.get(registry)
  if (found !== undefined) return found
  const made = effectiveKeys(keyring, registry).map(({ keyid, key }) => ({
    keyId: keyid,
    spki: Buffer.from(key, 'base64'),
  }))
  known.set(registry, made)
  return made
}

const objects = new WeakMap<readonly TrustedKey[], ReadonlyMap<string, KeyObject>>()

/** By their ids, ready to verify with; made once for each list. */
export function keyObjectsOf(keys: readonly TrustedKey[]): ReadonlyMap<string, KeyObject> {
  const known = objects.get(keys)
  if (known !== undefined) return known
  const made = new Map(
    keys.map(({ keyId, spki }) => {
      const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
      return [keyId, key]
    }),
  )
  objects.set(keys, made)
  return made
}
