/**
 * Compresses chunks for one stream where that pays. What did not shrink once is not tried again: an artifact is compressed
 * all over (a .tgz is), or not at all.
 */
import { compressChunk, type Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'

/** Only chunks of this size say anything about the rest. */
const MIN_BYTES = 256 * 1024
/** Artifacts remembered. */
const MAX_REMEMBERED = 64

export interface ChunkEncoder {
  /** Undefined: send it as it is. */
  encode(encoding: Encoding, digest: Digest, bytes: Uint8Array): Promise<Uint8Array | undefined>
}

export function createChunkEncoder(): ChunkEncoder {
  const incompressible = new Set<Digest>()
  return {
    async encode(encoding, digest, bytes) {
      if (encoding === 'none' || incompressible.has(digest)) return undefined
      const encoded = await compressChunk(encoding, bytes)
      if (encoded === undefined && bytes.byteLength >= MIN_BYTES) {
        if (incompressible.size >= MAX_REMEMBERED) incompressible.clear()
        incompressible.add(digest)
      }
      return encoded
    },
  }
}
