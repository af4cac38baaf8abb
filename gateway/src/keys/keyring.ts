/**
 * The signing keys that this user has imported, by registry: one small JSON file, replaced in one step. For a registry
 * without an entry, and for npm's public one, the pinned keys count too; they are never dropped but on purpose.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CatalogError, errnoOf, isCatalogError, type Logger } from '@catalog-p2p/core'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { replaceFile } from '../replace-file.ts'
import { PINNED_KEYS } from './pinned-keys.ts'
import { parseRegistryKeys, type RegistryKey } from './registry-key.ts'

export interface KeyringEntry {
  readonly keys: readonly RegistryKey[]
  /** Ids of pinned keys that do not count for this registry any more. */
  readonly dropped: readonly string[]
  /** When it was changed last. */
  readonly updatedAt: string
}

/** By the registry's URL, with a trailing slash. */
export type Keyring = ReadonlyMap<string, KeyringEntry>

export interface EffectiveKey extends RegistryKey {
  readonly source: 'pinned' | 'imported'
}

const MAX_BYTES = 1024 * 1024
const MAX_REGISTRIES = 1000

const fileSchema = z.strictObject({
  version: z.literal(1),
  registries: z.record(
    z.url(),
    z.strictObject({
      keys: z.array(z.unknown()),
      dropped: z.array(z.string()),
      updatedAt: z.iso.datetime(),
    }),
  ),
})

export function keyringPath(folder: string): string {
  return join(folder, 'registry-keys.json')
}

/** @throws CatalogError STORE_CORRUPT when the file makes no sense; it is never thrown away by us */
export async function readKeyring(path: string): Promise<Keyring> {
  try {
    const { size } = await stat(path)
    if (size > MAX_BYTES) throw new Error(`${size} bytes are too many`)
    const { registries } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    return new Map(
      Object.entries(registries).map(([registry, { keys, dropped, updatedAt }]) => [
        registry,
        { keys: parseRegistryKeys({ keys }, registry), dropped, updatedAt },
      ]),
    )
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return new Map()
    throw new CatalogError(
      'STORE_CORRUPT',
      `${path}: not a keyring that "catalog registry-keys" wrote`,
      {
        hint: 'move it away and import the keys again; until then the pinned ones count',
        cause: error,
      },
    )
  }
}

/** Empty where there is none or it cannot be read: the pinned keys are left then. */
export async function readKeyringOrNone(log: Logger, path: string | undefined): Promise<Keyring> {
  if (path === undefined) return new Map()
  try {
    return await readKeyring(path)
  } catch (error) {
    if (!isCatalogError(error)) throw error
    log.warn('keys.keyring-unreadable', { reason: error.message })
    return new Map()
  }
}

/** @throws CatalogError STORE_FAILED, INVALID_OPTIONS */
export async function writeKeyring(path: string, keyring: Keyring): Promise<void> {
  if (keyring.size > MAX_REGISTRIES) {
    throw new CatalogError('INVALID_OPTIONS', `more than ${MAX_REGISTRIES} registries`)
  }
  const text = JSON.stringify({ version: 1, registries: Object.fromEntries(keyring) }, null, 2)
  try {
    await replaceFile(path, Buffer.from(`${text}\n`), { mode: 0o644, keepMode: true })
  } catch (error) {
    throw new CatalogError('STORE_FAILED', `${path}: can't be written`, { cause: error })
  }
}

/** The keys that count for a registry that does not publish its own. */
export function effectiveKeys(keyring: Keyring, registry: string): readonly EffectiveKey[] {
  const entry = keyring.get(registry)
  const imported = (entry?.keys ?? []).map((key) => ({ ...key, source: 'imported' as const }))
  // Importing keys for a registry says which ones are its.
  if (entry !== undefined && registry !== DEFAULT_REGISTRY) return imported
  const ids = new Set([...imported.map(({ keyid }) => keyid), ...(entry?.dropped ?? [])])
  const pinned = PINNED_KEYS.filter(({ keyid }) => !ids.has(keyid))
  return [...pinned.map((key) => ({ ...key, source: 'pinned' as const })), ...imported]
}

/** As a registry publishes them. */
export function publishedForm(keys: readonly EffectiveKey[]): { keys: RegistryKey[] } {
  return {
    keys: keys.map(({ expires, keyid, keytype, scheme, key }) => {
      return { expires, keyid, keytype, scheme, key }
    }),
  }
}
