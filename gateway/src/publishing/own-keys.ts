/**
 * The keys with which this machine publishes: of the publishers that the trust file names for a package, the first whose secret is in
 * this user's key folder. Unlocked once; the passphrase of a sealed one is in the daemon's environment, or it is not used.
 */
import { CatalogError, type HybridKey, type KeyId } from '@catalog-p2p/core'
import { openKeyFolder, type NamedKey } from '../publisher-keys/key-folder.ts'
import { unlockKey } from '../publisher-keys/key-file.ts'

export interface OwnKeys {
  /** @throws CatalogError DENIED when none of them is here, INVALID_KEY when it can't be unlocked */
  keyFor(name: string, publishers: readonly KeyId[]): Promise<HybridKey>
  /** Of all whose secrets are here, whatever they are trusted for. */
  ids(): Promise<readonly KeyId[]>
}

/** @param configFolder undefined: there are none */
export function createOwnKeys(
  configFolder: string | undefined,
  passphrase: string | undefined,
): OwnKeys {
  const folder = configFolder === undefined ? undefined : openKeyFolder(configFolder)
  const unlocked = new Map<KeyId, HybridKey>()

  return {
    async ids() {
      const { keys } = (await folder?.list()) ?? { keys: [] }
      return keys.filter(({ content }) => hasSecret(content)).map(({ id }) => id)
    },
    async keyFor(name, publishers) {
      for (const id of publishers) {
        const known = unlocked.get(id)
        if (known !== undefined) return known
        const file = await folder?.find(id)
        if (file === undefined || !hasSecret(file.content)) continue
        const key = await unlockKey(file, () => Promise.resolve(passphrase))
        unlocked.set(id, key)
        return key
      }
      throw new CatalogError('DENIED', `no key of this machine may publish ${name}`, {
        status: 403,
        publishers,
        hint: `"catalog trust explain ${name}" says whose it is; "catalog key list" shows yours`,
      })
    },
  }
}

function hasSecret({ secret, sealed }: NamedKey['content']): boolean {
  return secret !== undefined || sealed !== undefined
}
