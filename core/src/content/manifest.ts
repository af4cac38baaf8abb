/**
 * The manifest describes how an artifact is cut: a claim until the whole digest has matched. Pure. It knows neither where a
 * manifest came from nor how it is sent (wire/manifest-codec.ts). docs/protocol.md, section Manifest.
 */
import {
  chunkCount,
  chunkSizeFor,
  isChunkSize,
  isWithinChunkLimit,
  MAX_ARTIFACT_SIZE,
  type ChunkGeometry,
} from './chunking.ts'
import { isDigest, type Digest } from './digest.ts'
import { MalformedError } from './malformed.ts'
import { HASH_BYTES, hashLeaves, merkleRoot } from './merkle.ts'

/** How an artifact is cut, without the root that its leaves hash to. */
export interface ArtifactGeometry extends ChunkGeometry {
  readonly digest: Digest
}

export interface Manifest extends ArtifactGeometry {
  /** Merkle root over the SHA-256 leaves, 32 bytes. See merkle.ts. */
  readonly root: Uint8Array
}

/** How an artifact is cut, and the SHA-256 of each chunk: what a peer can claim without anybody hashing for it. */
export interface ChunkTable {
  readonly geometry: ArtifactGeometry
  /** Concatenated, 32 bytes each. */
  readonly leaves: Uint8Array
}

/** A manifest with the leaves (concatenated, 32 bytes each) that its root stands for. */
export interface Description {
  readonly manifest: Manifest
  readonly leaves: Uint8Array
}

/** Describes bytes at hand, whose digest the caller knows. */
export function describeBytes(
  digest: Digest,
  bytes: Uint8Array,
  preferredChunkSize: number,
): Description {
  const chunkSize = chunkSizeFor(bytes.byteLength, preferredChunkSize)
  const leaves = hashLeaves(bytes, chunkSize)
  return {
    manifest: { digest, size: bytes.byteLength, chunkSize, root: merkleRoot(leaves) },
    leaves,
  }
}

/** What is wrong with its bounds, `maxBytes` among them; undefined for a good one. */
export function manifestProblem(
  manifest: Manifest,
  { maxBytes = MAX_ARTIFACT_SIZE }: { maxBytes?: number } = {},
): string | undefined {
  const { root } = manifest
  if (root.byteLength !== HASH_BYTES) return `root of ${root.byteLength} bytes, 32 expected`
  return geometryProblem(manifest, Math.min(maxBytes, MAX_ARTIFACT_SIZE))
}

/** True when the manifest is within its bounds and its root is that of the leaves. */
export function isConsistent({ manifest, leaves }: Description): boolean {
  const { size, chunkSize, root } = manifest
  return (
    manifestProblem(manifest) === undefined &&
    leaves.byteLength === chunkCount(size, chunkSize) * HASH_BYTES &&
    merkleRoot(leaves).equals(root)
  )
}

/**
 * Checks the bounds, and that there are as many leaves as chunks. Hashes nothing.
 * @throws MalformedError naming what is wrong
 */
export function validateChunkTable({ geometry, leaves }: ChunkTable): void {
  validateGeometry(geometry)
  const expected = chunkCount(geometry.size, geometry.chunkSize) * HASH_BYTES
  if (leaves.byteLength !== expected) {
    throw bad(`leaves of ${leaves.byteLength} bytes, ${expected} expected`)
  }
}

/** @throws MalformedError naming what is wrong */
export function validateGeometry(geometry: ArtifactGeometry): void {
  const problem = geometryProblem(geometry, MAX_ARTIFACT_SIZE)
  if (problem !== undefined) throw bad(problem)
}

export function equalChunkTables(a: ChunkTable, b: ChunkTable): boolean {
  return (
    a.geometry.digest === b.geometry.digest &&
    a.geometry.size === b.geometry.size &&
    a.geometry.chunkSize === b.geometry.chunkSize &&
    Buffer.compare(a.leaves, b.leaves) === 0
  )
}

export function equalManifests(a: Manifest, b: Manifest): boolean {
  return (
    a.digest === b.digest &&
    a.size === b.size &&
    a.chunkSize === b.chunkSize &&
    Buffer.from(a.root).equals(b.root)
  )
}

function geometryProblem(geometry: ArtifactGeometry, maxBytes: number): string | undefined {
  const { digest, size, chunkSize } = geometry
  if (!isDigest(digest)) return 'digest is no sha512'
  if (!Number.isSafeInteger(size) || size < 0 || size > maxBytes) {
    return `size ${size}, at most ${maxBytes} allowed`
  }
  if (!isChunkSize(chunkSize)) {
    return `chunk size ${chunkSize}, a power of two from 64 KiB to 4 MiB allowed`
  }
  if (!isWithinChunkLimit(geometry)) {
    return `${chunkCount(size, chunkSize)} chunks of ${chunkSize} bytes`
  }
  return undefined
}

function bad(what: string): MalformedError {
  return new MalformedError(`bad manifest: ${what}`)
}
