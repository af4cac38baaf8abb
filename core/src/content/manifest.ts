/**
 * The manifest describes how an artifact is cut: a claim until the whole digest has matched. Its binary form is fixed:
 * digest 64, size u64, chunk size u32, root 32; 108 bytes. Pure. docs/protocol.md, section Manifest.
 */
import { CatalogError } from '../errors.ts'
import { FieldReader, FieldWriter } from '../wire/fields.ts'
import {
  chunkCount,
  chunkSizeFor,
  isChunkSize,
  isWithinChunkLimit,
  MAX_ARTIFACT_SIZE,
  type ChunkGeometry,
} from './chunking.ts'
import { DIGEST_BYTES, digestFromBytes, digestToBytes, isDigest, type Digest } from './digest.ts'
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

/** Bytes of an encoded manifest. */
export const MANIFEST_BYTES = DIGEST_BYTES + 8 + 4 + HASH_BYTES

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

/** @throws RangeError for a manifest that breaks the bounds: our own mistake, not a peer's */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const problem = findProblem(manifest, MAX_ARTIFACT_SIZE)
  if (problem !== undefined) throw new RangeError(problem)
  return new FieldWriter()
    .bytes(digestToBytes(manifest.digest))
    .u64(manifest.size)
    .u32(manifest.chunkSize)
    .bytes(manifest.root)
    .toBytes()
}

/** @throws CatalogError PEER_MISBEHAVED unless `bytes` are exactly one manifest within bounds */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const reader = new FieldReader(bytes)
  const manifest: Manifest = {
    digest: digestFromBytes(reader.bytes(DIGEST_BYTES)),
    size: reader.u64(),
    chunkSize: reader.u32(),
    // A copy: what was read may be a view of a transport's buffer.
    root: Uint8Array.from(reader.bytes(HASH_BYTES)),
  }
  reader.end()
  validateManifest(manifest)
  return manifest
}

/**
 * Checks the bounds, and `maxBytes` if given.
 * @throws CatalogError PEER_MISBEHAVED naming what is wrong
 */
export function validateManifest(manifest: Manifest, options: { maxBytes?: number } = {}): void {
  const maxBytes = Math.min(options.maxBytes ?? MAX_ARTIFACT_SIZE, MAX_ARTIFACT_SIZE)
  const problem = findProblem(manifest, maxBytes)
  if (problem !== undefined) throw bad(problem)
}

/**
 * Checks the bounds, and that there are as many leaves as chunks. Hashes nothing.
 * @throws CatalogError PEER_MISBEHAVED naming what is wrong
 */
export function validateChunkTable({ geometry, leaves }: ChunkTable): void {
  validateGeometry(geometry)
  const expected = chunkCount(geometry.size, geometry.chunkSize) * HASH_BYTES
  if (leaves.byteLength !== expected) {
    throw bad(`leaves of ${leaves.byteLength} bytes, ${expected} expected`)
  }
}

/** @throws CatalogError PEER_MISBEHAVED naming what is wrong */
export function validateGeometry(geometry: ArtifactGeometry): void {
  const problem = findGeometryProblem(geometry, MAX_ARTIFACT_SIZE)
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

/**
 * Checks that `leaves` are as many as the manifest says and hash to its root.
 * @throws CatalogError PEER_MISBEHAVED
 */
export function validateLeaves(manifest: Manifest, leaves: Uint8Array): void {
  const expected = chunkCount(manifest.size, manifest.chunkSize) * HASH_BYTES
  if (leaves.byteLength !== expected) {
    throw bad(`leaves of ${leaves.byteLength} bytes, ${expected} expected`)
  }
  if (!merkleRoot(leaves).equals(manifest.root)) throw bad('leaves do not hash to the root')
}

export function equalManifests(a: Manifest, b: Manifest): boolean {
  return (
    a.digest === b.digest &&
    a.size === b.size &&
    a.chunkSize === b.chunkSize &&
    Buffer.from(a.root).equals(b.root)
  )
}

function findProblem(manifest: Manifest, maxBytes: number): string | undefined {
  const { root } = manifest
  if (root.byteLength !== HASH_BYTES) return `root of ${root.byteLength} bytes, 32 expected`
  return findGeometryProblem(manifest, maxBytes)
}

function findGeometryProblem(geometry: ArtifactGeometry, maxBytes: number): string | undefined {
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

function bad(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `bad manifest: ${what}`)
}
