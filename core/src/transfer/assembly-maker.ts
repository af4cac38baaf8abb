/** Builds assemblies on the store's partials, or in memory when the disk takes nothing. */
import { chunkCount } from '../content/chunking.ts'
import type { Digest } from '../content/digest.ts'
import type { Manifest } from '../content/manifest.ts'
import { isCatalogError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PartialArtifact, Store, Visibility } from '../store/store.ts'
import { createAssembly, type Assembly } from './assembly.ts'
import type { Hasher } from './hasher.ts'
import { createMemoryPartial } from './memory-partial.ts'

/** Bytes that all assemblies together keep in memory for their readers, and that each may keep at least. */
const MEMORY_BYTES = 96 * 1024 * 1024
const MIN_MEMORY_BYTES = 8 * 1024 * 1024
const MAX_MEMORY_BYTES = 48 * 1024 * 1024

export interface AssemblyMaker {
  open(manifest: Manifest, leaves: Uint8Array, visibility: Visibility): Promise<Assembly>
}

export function createAssemblyMaker(deps: {
  store: Store
  hasher: Hasher
  log: Logger
}): AssemblyMaker {
  const { store, hasher, log } = deps
  /** The store opens one partial a digest; a private and a public download of one digest may run side by side. */
  const open = new Set<Digest>()
  let assemblies = 0

  async function openPartial(
    manifest: Manifest,
    leaves: Uint8Array,
    visibility: Visibility,
  ): Promise<PartialArtifact> {
    if (store.usage().writable && store.keeps(visibility)) {
      try {
        return await store.openPartial(manifest, leaves, { visibility })
      } catch (error) {
        if (!isCatalogError(error, 'STORE_FULL') && !isCatalogError(error, 'STORE_FAILED'))
          throw error
        log.warn('download.in-memory', { digest: manifest.digest, error })
      }
    }
    return createMemoryPartial(manifest, leaves)
  }

  function memoryBytes(): number {
    const share = MEMORY_BYTES / Math.max(1, assemblies)
    return Math.min(MAX_MEMORY_BYTES, Math.max(MIN_MEMORY_BYTES, share))
  }

  async function openAlone(
    manifest: Manifest,
    leaves: Uint8Array,
    visibility: Visibility,
  ): Promise<{ partial: PartialArtifact; release: () => void }> {
    const { digest } = manifest
    if (open.has(digest)) {
      return { partial: createMemoryPartial(manifest, leaves), release: () => undefined }
    }
    open.add(digest)
    const release = (): void => void open.delete(digest)
    try {
      return { partial: await openPartial(manifest, leaves, visibility), release }
    } catch (error) {
      release()
      throw error
    }
  }

  return {
    async open(manifest, leaves, visibility) {
      const { partial, release } = await openAlone(manifest, leaves, visibility)
      const job = hasher.open({
        chunks: chunkCount(manifest.size, manifest.chunkSize),
        leaves: leaves.byteLength === 0 ? undefined : leaves,
      })
      assemblies++
      const assembly = createAssembly(manifest, leaves, { partial, job, log, memoryBytes })
      void assembly.closed.then(() => {
        assemblies--
        release()
      })
      return assembly
    },
  }
}
