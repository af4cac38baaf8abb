/**
 * Bytes for tests: reproducible, incompressible, and of the sizes at which cutting into chunks goes wrong.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { digestOf, type Digest } from '../../core/src/content/digest.ts'
import type { ChunkTable, Description } from '../../core/src/content/manifest.ts'

export const CHUNK_SIZE = 64 * 1024

/** With the reason for each; in units of CHUNK_SIZE where it matters. */
export const INTERESTING_SIZES: readonly { readonly size: number; readonly why: string }[] = [
  { size: 0, why: 'empty: one empty chunk' },
  { size: 1, why: 'the smallest chunk' },
  { size: CHUNK_SIZE - 1, why: 'one short chunk' },
  { size: CHUNK_SIZE, why: 'exactly one chunk' },
  { size: CHUNK_SIZE + 1, why: 'a last chunk of one byte' },
  { size: 4 * CHUNK_SIZE, why: 'a full tree' },
  { size: 4 * CHUNK_SIZE + 1, why: 'a full tree and a promoted leaf' },
  { size: 7 * CHUNK_SIZE - 5, why: 'promotion on more than one level' },
  { size: 8 * 1024 * 1024, why: 'more than is read in one go' },
]

export interface Blob {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

/** The same bytes for the same size and seed, always. */
export function blob(size: number, seed = 0): Blob {
  const key = createHash('sha256').update(`${size} ${seed}`).digest()
  const bytes = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
  return { digest: digestOf(bytes), bytes }
}

/** How it is cut, for comparing: without the root. */
export function plainTable(
  table: ChunkTable | Description | undefined,
): Record<string, unknown> | undefined {
  if (table === undefined) return undefined
  const { digest, size, chunkSize } = 'geometry' in table ? table.geometry : table.manifest
  return { digest, size, chunkSize, leaves: Buffer.from(table.leaves).toString('hex') }
}

/** For comparing: bytes as hex, so that a Buffer equals a Uint8Array. */
export function plain(description: Description | undefined): Record<string, unknown> | undefined {
  if (description === undefined) return undefined
  const { manifest, leaves } = description
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return { ...manifest, root: hex(manifest.root), leaves: hex(leaves) }
}
