/**
 * How an artifact is cut into chunks: all of `chunkSize` but the last, which is what is left. An empty artifact is one
 * empty chunk, so that every artifact has a first chunk and a Merkle root. Pure; it reads no bytes. docs/protocol.md, section
 * Manifest.
 */

const KiB = 1024

/** Bytes. */
export const MIN_CHUNK_SIZE = 64 * KiB
/** Bytes. */
export const MAX_CHUNK_SIZE = 4 * KiB * KiB
/** Bounds what the leaves of one artifact take: 2 MiB. At the largest chunk size that is an artifact of 256 GiB. */
export const MAX_CHUNKS = 65_536
/** More than this only of the largest chunk size: small chunks of a huge artifact are leaves without a use. 128 KiB of them. */
export const MAX_SMALL_CHUNKS = 4_096
/** Bytes of the largest artifact that a manifest can describe. */
export const MAX_ARTIFACT_SIZE = MAX_CHUNKS * MAX_CHUNK_SIZE

export function isChunkSize(value: number): boolean {
  return (
    Number.isInteger(value) &&
    value >= MIN_CHUNK_SIZE &&
    value <= MAX_CHUNK_SIZE &&
    (value & (value - 1)) === 0
  )
}

/**
 * The chunk size for an artifact: the preferred one, doubled while it would give more chunks than it may.
 * @throws RangeError for a preferred size that is none, or an artifact above MAX_ARTIFACT_SIZE
 */
export function chunkSizeFor(size: number, preferred: number): number {
  if (!isChunkSize(preferred)) throw new RangeError(`not a chunk size: ${preferred}`)
  checkSize(size)
  let chunkSize = preferred
  while (!isWithinChunkLimit({ size, chunkSize })) chunkSize *= 2
  return chunkSize
}

/** False for more chunks than an artifact of this chunk size may have. */
export function isWithinChunkLimit({ size, chunkSize }: ChunkGeometry): boolean {
  const chunks = chunkCount(size, chunkSize)
  return chunks <= MAX_SMALL_CHUNKS || (chunkSize === MAX_CHUNK_SIZE && chunks <= MAX_CHUNKS)
}

/** At least 1. */
export function chunkCount(size: number, chunkSize: number): number {
  return size === 0 ? 1 : Math.ceil(size / chunkSize)
}

/** What of an artifact's geometry the functions below need; a Manifest fits. */
export interface ChunkGeometry {
  /** Bytes. */
  readonly size: number
  /** Bytes. */
  readonly chunkSize: number
}

/**
 * The bytes [start, end) of chunk `index`.
 * @throws RangeError when there is no such chunk
 */
export function chunkRange(geometry: ChunkGeometry, index: number): { start: number; end: number } {
  const { size, chunkSize } = geometry
  if (!Number.isInteger(index) || index < 0 || index >= chunkCount(size, chunkSize)) {
    throw new RangeError(`chunk ${index} of ${chunkCount(size, chunkSize)}`)
  }
  const start = index * chunkSize
  return { start, end: Math.min(start + chunkSize, size) }
}

/** Bytes of chunk `index`. */
export function chunkLength(geometry: ChunkGeometry, index: number): number {
  const { start, end } = chunkRange(geometry, index)
  return end - start
}

function checkSize(size: number): void {
  if (!Number.isInteger(size) || size < 0 || size > MAX_ARTIFACT_SIZE) {
    throw new RangeError(`not an artifact size: ${size}`)
  }
}
