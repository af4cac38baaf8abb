/**
 * Compresses chunks for one stream where that pays. An artifact that did not shrink once is never tried again: it is compressed
 * throughout (as a .tgz is), or not at all.
 */
import { compressChunk, type Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'

/** Smaller chunks say nothing about the rest of the artifact. */
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
