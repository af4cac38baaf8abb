/**
 * What happens to a keyring when keys come in. Adding is the rule: old packages stay signed with old keys. An expiry is
 * never lifted or put off, and a pinned key is dropped only when that was asked for in so many words. Pure.
 */
import { CatalogError } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import type { Keyring } from './keyring.ts'
import { PINNED_KEYS } from './pinned-keys.ts'
import type { RegistryKey } from './registry-key.ts'

export interface MergeOptions {
  readonly registry: string
  /** Only what comes in counts afterwards. */
  readonly replace: boolean
  /** Pinned keys may go with that. */
  readonly dropPinned: boolean
  readonly now: Date
}

export interface MergeReport {
  readonly added: readonly string[]
  /** Known before, and now with an expiry, or an earlier one. */
  readonly expired: readonly string[]
  /** Known before and not among those that came in, but kept. */
  readonly kept: readonly string[]
  readonly dropped: readonly string[]
}

/** @throws CatalogError INVALID_OPTIONS when pinned keys would go unasked */
export function mergeKeys(
  before: Keyring,
  incoming: readonly RegistryKey[],
  options: MergeOptions,
): { keyring: Keyring; report: MergeReport } {
  const { registry, replace, dropPinned, now } = options
  const entry = before.get(registry)
  const pinned = registry === DEFAULT_REGISTRY ? PINNED_KEYS : []
  const alreadyDropped = new Set(entry?.dropped)
  const known = new Map<string, RegistryKey>()
  for (const key of pinned) if (!alreadyDropped.has(key.keyid)) known.set(key.keyid, key)
  for (const key of entry?.keys ?? []) known.set(key.keyid, key)

  const names = new Set(incoming.map(({ keyid }) => keyid))
  const missing = [...known.keys()].filter((keyid) => !names.has(keyid))
  const pinnedMissing = pinned.map(({ keyid }) => keyid).filter((keyid) => !names.has(keyid))
  if (replace && !dropPinned && pinnedMissing.length > 0) throw wouldDrop(pinnedMissing)

  const merged = incoming.map((key) => earlier(key, known.get(key.keyid)))
  const kept = replace ? [] : (entry?.keys ?? []).filter(({ keyid }) => !names.has(keyid))
  const dropped = replace ? pinnedMissing : [...alreadyDropped].filter((id) => !names.has(id))
  const after = { keys: [...kept, ...merged], dropped, updatedAt: now.toISOString() }
  return {
    keyring: new Map([...before, [registry, after]]),
    report: {
      added: merged.map(({ keyid }) => keyid).filter((keyid) => !known.has(keyid)),
      expired: merged
        .filter(({ keyid, expires }) => known.has(keyid) && known.get(keyid)?.expires !== expires)
        .map(({ keyid }) => keyid),
      kept: replace ? [] : missing,
      dropped: replace ? missing : [],
    },
  }
}

/** The same key with the earlier of two expiries. */
function earlier(key: RegistryKey, known: RegistryKey | undefined): RegistryKey {
  if (known === undefined || known.expires === null) return key
  if (key.expires !== null && Date.parse(key.expires) < Date.parse(known.expires)) return key
  return { ...key, expires: known.expires }
}

function wouldDrop(keyids: readonly string[]): CatalogError {
  return new CatalogError(
    'INVALID_OPTIONS',
    `this would drop ${keyids.length === 1 ? 'a pinned key' : 'pinned keys'}: ${keyids.join(', ')}`,
    { hint: 'leave out --replace to add to them, or say --drop-pinned to mean it' },
  )
}
