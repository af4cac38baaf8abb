/** Builds assemblies on the store's partials, or in memory when the disk takes nothing. */
import type { Manifest } from '../content/manifest.ts'
import { chunkCount } from '../content/chunking.ts'
import { isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PartialArtifact, Store, Visibility } from '../store/store.ts'
import { createAssembly, type Assembly } from './assembly.ts'
import type { Hasher } from './hasher.ts'
import { createMemoryPartial } from './memory-partial.ts'

export interface AssemblyMaker {
  open(manifest: Manifest, leaves: Uint8Array, visibility: Visibility): Promise<Assembly>
}

export function createAssemblyMaker(deps: {
  store: Store
  hasher: Hasher
  log: Logger
}): AssemblyMaker {
  const { store, hasher, log } = deps

  async function openPartial(
    manifest: Manifest,
    leaves: Uint8Array,
    visibility: Visibility,
  ): Promise<{ partial: PartialArtifact; stored: boolean }> {
    if (store.usage().writable) {
      try {
        return { partial: await store.openPartial(manifest, leaves, { visibility }), stored: true }
      } catch (error) {
        if (!isCatalogError(error, 'STORE_FULL') && !isCatalogError(error, 'STORE_FAILED'))
          throw error
        log.warn('download.in-memory', { digest: manifest.digest, error })
      }
    }
    return { partial: createMemoryPartial(manifest, leaves), stored: false }
  }

  return {
    async open(manifest, leaves, visibility) {
      const { partial, stored } = await openPartial(manifest, leaves, visibility)
      const job = hasher.open({
        chunks: chunkCount(manifest.size, manifest.chunkSize),
        leaves: leaves.byteLength === 0 ? undefined : leaves,
      })
      const readStored = (start: number, end: number): Promise<Uint8Array> =>
        store.read(manifest.digest, { start, end })
      return createAssembly(manifest, leaves, {
        partial,
        job,
        readStored: stored ? readStored : undefined,
      })
    },
  }
}
