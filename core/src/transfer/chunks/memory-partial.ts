/** Replaces the store's partial when the disk takes nothing: the download is served from memory and never kept. */
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { PartialArtifact } from '../../store/store.ts'
import { isPooled } from './chunk-pool.ts'

/** Largest artifact that is assembled in memory, bytes. */
const MAX_BYTES = 512 * 1024 * 1024
/** Of all that peers claim and that is in memory, bytes. */
const MAX_CLAIMED_BYTES = 128 * 1024 * 1024

/** What several of them share. */
export interface MemoryBudget {
  claimedBytes: number
}

/**
 * @param budget for claims, which may be false; undefined for what an origin sends
 * @throws CatalogError STORE_FULL when the artifact is too large for that
 */
export function createMemoryPartial(
  geometry: ArtifactGeometry,
  budget?: MemoryBudget,
): PartialArtifact {
  const { size } = geometry
  if (size > (budget ? MAX_CLAIMED_BYTES : MAX_BYTES)) throw tooLarge(size)
  const chunks = new Map<number, Uint8Array>()
  let heldBytes = 0
  const release = (): void => {
    if (budget) budget.claimedBytes -= heldBytes
    heldBytes = 0
  }
  return {
    geometry,
    hasChunk: (index) => chunks.has(index),
    get present() {
      return chunks.size
    },
    writeChunk(index, bytes) {
      if (budget && budget.claimedBytes + bytes.byteLength > MAX_CLAIMED_BYTES) {
        return Promise.reject(tooLarge(size))
      }
      if (budget) budget.claimedBytes += bytes.byteLength
      heldBytes += bytes.byteLength
      chunks.set(index, isPooled(bytes) ? Buffer.from(bytes) : bytes)
      return Promise.resolve()
    },
    readChunk(index) {
      const bytes = chunks.get(index)
      if (bytes === undefined) return Promise.reject(new Error(`chunk ${index} has not arrived`))
      return Promise.resolve(bytes)
    },
    commit() {
      release() // true from now on, and freed with its last reader
      return Promise.resolve()
    },
    suspend() {
      release()
      chunks.clear()
      return Promise.resolve()
    },
    discard() {
      release()
      chunks.clear()
      return Promise.resolve()
    },
  }
}

function tooLarge(size: number): CatalogError {
  return new CatalogError('STORE_FULL', `no disk space for an artifact of ${size} bytes`, {
    hint: 'free some disk space, or point --store at another disk',
  })
}
