/**
 * Stands in for the store's partial when the disk takes nothing: the download is served from memory and not kept.
 */
import type { Manifest } from '../content/manifest.ts'
import { CatalogError } from '../errors.ts'
import type { PartialArtifact } from '../store/store.ts'
import { isPooled } from './chunk-pool.ts'

/** Largest artifact that is assembled in memory, bytes. */
const MAX_BYTES = 512 * 1024 * 1024

/** @throws CatalogError STORE_FULL when the artifact is too large for that */
export function createMemoryPartial(manifest: Manifest, leaves: Uint8Array): PartialArtifact {
  if (manifest.size > MAX_BYTES) {
    throw new CatalogError(
      'STORE_FULL',
      `no disk space for an artifact of ${manifest.size} bytes`,
      {
        hint: 'free some disk space, or point --store at another disk',
      },
    )
  }
  const chunks = new Map<number, Uint8Array>()
  return {
    manifest,
    leaves,
    hasChunk: (index) => chunks.has(index),
    get present() {
      return chunks.size
    },
    writeChunk(index, bytes) {
      chunks.set(index, isPooled(bytes) ? Buffer.from(bytes) : bytes)
      return Promise.resolve()
    },
    readChunk(index) {
      const bytes = chunks.get(index)
      if (bytes === undefined) return Promise.reject(new Error(`chunk ${index} has not arrived`))
      return Promise.resolve(bytes)
    },
    commit: () => Promise.resolve(),
    suspend: () => Promise.resolve(),
    discard() {
      chunks.clear()
      return Promise.resolve()
    },
  }
}
