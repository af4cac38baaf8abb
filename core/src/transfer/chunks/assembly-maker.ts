/**
 * Builds assemblies on the store's partials, or in memory when the disk takes nothing. What peers claim takes no file and no
 * thread before its first chunk.
 */
import { chunkCount } from '../../content/chunking.ts'
import { MalformedError } from '../../content/malformed.ts'
import { equalChunkTables, type ArtifactGeometry, type ChunkTable } from '../../content/manifest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Visibility } from '../../content/visibility.ts'
import { CLAIMS_SHARE, type PartialArtifact, type Store } from '../../store/store.ts'
import { createAssembly } from './chunk-assembly.ts'
import type { Assembly } from './assembly.ts'
import type { Hasher } from './hasher.ts'
import { createLazyPartial } from './lazy-partial.ts'
import { createMemoryPartial, type MemoryBudget } from './memory-partial.ts'

/** Bytes that all assemblies together keep in memory for their readers, and that each may keep at least. */
const MEMORY_BYTES = 96 * 1024 * 1024
const MIN_MEMORY_BYTES = 8 * 1024 * 1024
const MAX_MEMORY_BYTES = 48 * 1024 * 1024

export interface AssemblyMaker {
  /**
   * There may be several of one digest.
   * @param leaves what peers claim; undefined for what an origin sends
   * @throws CatalogError STORE_FULL when it fits neither into the store nor into memory
   */
  open(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    visibility: Visibility,
  ): Promise<Assembly>
}

export function createAssemblyMaker(deps: {
  store: Store
  hasher: Hasher
  log: Logger
}): AssemblyMaker {
  const { store, hasher, log } = deps
  const budget: MemoryBudget = { claimedBytes: 0 }
  let assemblies = 0

  async function openPartial(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    visibility: Visibility,
  ): Promise<PartialArtifact> {
    const { writable, quotaBytes } = store.usage()
    // The store would not take a larger claim: better to know before its first chunk.
    const maxBytes = leaves === undefined ? Infinity : quotaBytes * CLAIMS_SHARE
    if (!writable || !store.keeps(visibility) || geometry.size > maxBytes) {
      return createMemoryPartial(geometry, leaves && budget)
    }
    const open = (): Promise<PartialArtifact> => openStored(geometry, leaves, visibility)
    if (leaves === undefined || (await isKept({ geometry, leaves }))) return await open()
    return createLazyPartial(geometry, open)
  }

  /** Whether an earlier run has left something of this very claim. */
  async function isKept(claim: ChunkTable): Promise<boolean> {
    const kept = await store.findPartial(claim.geometry.digest)
    return kept !== undefined && equalChunkTables(kept, claim)
  }

  async function openStored(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    visibility: Visibility,
  ): Promise<PartialArtifact> {
    try {
      return await store.openPartial(geometry, leaves, { visibility })
    } catch (error) {
      if (error instanceof MalformedError) {
        const code = leaves === undefined ? 'UPSTREAM_REJECTED' : 'PEER_MISBEHAVED'
        throw new CatalogError(code, error.message, { digest: geometry.digest, cause: error })
      }
      if (!isCatalogError(error, 'STORE_FULL') && !isCatalogError(error, 'STORE_FAILED')) {
        throw error
      }
      log.warn('download.in-memory', { digest: geometry.digest, error })
      return createMemoryPartial(geometry, leaves && budget)
    }
  }

  function memoryBytes(): number {
    const share = MEMORY_BYTES / Math.max(1, assemblies)
    return Math.min(MAX_MEMORY_BYTES, Math.max(MIN_MEMORY_BYTES, share))
  }

  return {
    async open(geometry, leaves, visibility) {
      const partial = await openPartial(geometry, leaves, visibility)
      const job = hasher.open({ chunks: chunkCount(geometry.size, geometry.chunkSize), leaves })
      assemblies++
      const assembly = createAssembly(geometry, leaves, { partial, job, log, memoryBytes })
      void assembly.closed.then(() => assemblies--)
      return assembly
    },
  }
}
