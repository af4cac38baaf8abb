/**
 * Manifests and leaves of complete artifacts: from memory, from the index, else computed piece by piece and then kept in
 * both. Only ever describes bytes that are in the store, so verified ones; what the index says is checked against itself.
 */
import { LRUCache } from 'lru-cache'
import { chunkCount, chunkRange, chunkSizeFor } from '../../content/chunking.ts'
import type { Digest } from '../../content/digest.ts'
import { isConsistent, type Description } from '../../content/manifest.ts'
import { HASH_BYTES, hashLeaf, merkleRoot } from '../../content/merkle.ts'
import { notFound, type ByteRange } from './artifact-reader.ts'

const MAX_CACHED = 4096
const MAX_CACHED_BYTES = 8 * 1024 * 1024
const MANIFEST_MEMORY_BYTES = 300

export interface DescriberDeps {
  readonly sizeOf: (digest: Digest) => number | undefined
  readonly read: (digest: Digest, range: ByteRange) => Promise<Uint8Array>
  /** From the index. */
  readonly load: (digest: Digest) => Description | undefined
  /** Into the index, some time. */
  readonly save: (description: Description) => void
}

export class ArtifactDescriber {
  readonly #deps: DescriberDeps
  readonly #preferredChunkSize: number
  readonly #cache = new LRUCache<Digest, Description>({
    max: MAX_CACHED,
    maxSize: MAX_CACHED_BYTES,
    sizeCalculation: ({ leaves }) => leaves.byteLength + MANIFEST_MEMORY_BYTES,
  })
  readonly #computing = new Map<Digest, Promise<Description>>()

  constructor(deps: DescriberDeps, preferredChunkSize: number) {
    this.#deps = deps
    this.#preferredChunkSize = preferredChunkSize
  }

  forget(digest: Digest): void {
    this.#cache.delete(digest)
  }

  /** @throws CatalogError NOT_FOUND, STORE_CORRUPT, STORE_FAILED */
  async describe(digest: Digest): Promise<Description> {
    const size = this.#deps.sizeOf(digest)
    if (size === undefined) throw notFound(digest)
    const known = this.#cache.get(digest) ?? this.#load(digest)
    if (known !== undefined) {
      this.#cache.set(digest, known)
      return known
    }
    const underway = this.#computing.get(digest)
    if (underway !== undefined) return await underway
    const computing = this.#compute(digest, size).finally(() => this.#computing.delete(digest))
    this.#computing.set(digest, computing)
    return await computing
  }

  /** What the index holds, unless it has rotted there: peers would ban us for leaves that no bytes match. */
  #load(digest: Digest): Description | undefined {
    const found = this.#deps.load(digest)
    return found !== undefined && isConsistent(found) ? found : undefined
  }

  async #compute(digest: Digest, size: number): Promise<Description> {
    const chunkSize = chunkSizeFor(size, this.#preferredChunkSize)
    const count = chunkCount(size, chunkSize)
    const leaves = Buffer.alloc(count * HASH_BYTES)
    for (let index = 0; index < count; index += 1) {
      const chunk = await this.#deps.read(digest, chunkRange({ size, chunkSize }, index))
      leaves.set(hashLeaf(chunk), index * HASH_BYTES)
    }
    const manifest = { digest, size, chunkSize, root: merkleRoot(leaves) }
    const description = { manifest, leaves }
    if (this.#deps.sizeOf(digest) !== undefined) {
      this.#cache.set(digest, description)
      this.#deps.save(description)
    }
    return description
  }
}
