/**
 * The chunks of one assembly that are in memory: the latest, for readers, within a bound that may change; and pooled ones
 * while they are being written. A chunk leaves only when the partial has it.
 */
import type { PartialArtifact } from '../../store/store.ts'
import { isPooled } from './chunk-pool.ts'

export interface ChunkMemory {
  keep(index: number, bytes: Uint8Array): void
  /** The partial has it now. */
  written(index: number): void
  /** Bytes of its own: a pooled chunk is used again once it is written. */
  find(index: number): Uint8Array | undefined
  clear(): void
}

export function createChunkMemory(
  partial: PartialArtifact,
  options: { chunkSize: number; maxBytes: () => number },
): ChunkMemory {
  const kept = new Map<number, Uint8Array>()
  const pooled = new Map<number, Uint8Array>()

  return {
    keep(index, bytes) {
      if (isPooled(bytes)) {
        pooled.set(index, bytes)
        return
      }
      kept.set(index, bytes)
      // Insertion order is arrival order.
      for (const old of kept.keys()) {
        if (kept.size * options.chunkSize <= options.maxBytes()) return
        if (partial.hasChunk(old)) kept.delete(old)
      }
    },
    written: (index) => void pooled.delete(index),
    find(index) {
      const shared = pooled.get(index)
      return shared === undefined ? kept.get(index) : Buffer.from(shared)
    },
    clear: () => kept.clear(),
  }
}
