/**
 * The manifest describes how an artifact is cut: a claim until the whole digest has matched.
 */
import type { Digest } from './digest.ts'

export interface Manifest {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Bytes, a power of two from 64 KiB to 4 MiB. */
  readonly chunkSize: number
  /** Merkle root over the SHA-256 leaves, 32 bytes. See merkle.ts. */
  readonly root: Uint8Array
}
