/** Unfinished downloads of the memory store: one buffer each. The behaviour is that of fs-partials.ts, without a disk. */
import { Bitfield } from '../content/bitfield.ts'
import { chunkCount, chunkLength, chunkRange } from '../content/chunking.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { equalManifests, validateLeaves, validateManifest } from '../content/manifest.ts'
import type { Description, Manifest } from '../content/manifest.ts'
import { HASH_BYTES, merkleRoot } from '../content/merkle.ts'
import { CatalogError } from '../errors.ts'
import type { Evictable } from './evict.ts'
import type { PartialArtifact, Visibility } from './store.ts'

export interface MemoryPartialsDeps {
  readonly makeRoom: (bytes: number) => boolean
  /** Makes a complete one visible; `leaves` of no bytes if they are not known. */
  readonly keep: (
    bytes: Uint8Array,
    description: Description,
    options: { visibility: Visibility },
  ) => void
}

interface Download extends Description {
  readonly bytes: Uint8Array
  readonly bitfield: Bitfield
}

export class MemoryPartials {
  readonly #deps: MemoryPartialsDeps
  readonly #opened = new Map<Digest, Download>()
  readonly #kept = new Map<Digest, Download>()

  constructor(deps: MemoryPartialsDeps) {
    this.#deps = deps
  }

  get reservedBytes(): number {
    return this.#sum(({ manifest }) => manifest.size)
  }

  get presentBytes(): number {
    return this.#sum(({ manifest, bitfield }) =>
      Math.min(bitfield.count * manifest.chunkSize, manifest.size),
    )
  }

  find(digest: Digest): Description | undefined {
    const found = this.#opened.get(digest) ?? this.#kept.get(digest)
    if (found === undefined || found.leaves.byteLength === 0) return undefined
    return { manifest: found.manifest, leaves: found.leaves }
  }

  *kept(): Generator<Evictable> {
    for (const [digest, { manifest }] of this.#kept) yield { digest, size: manifest.size }
  }

  drop(digest: Digest): boolean {
    return this.#kept.delete(digest)
  }

  open(manifest: Manifest, leaves: Uint8Array, visibility: Visibility): PartialArtifact {
    const { digest, size } = manifest
    validateManifest(manifest)
    if (leaves.byteLength > 0) validateLeaves(manifest, leaves)
    if (this.#opened.has(digest)) throw new Error(`already open: ${digest}`)
    const kept = this.#kept.get(digest)
    this.#kept.delete(digest)
    if (!this.#deps.makeRoom(size)) {
      if (kept) this.#kept.set(digest, kept) // as it was
      throw new CatalogError('STORE_FULL', `no room for an artifact of ${size} bytes`)
    }
    const resumable = kept && leaves.byteLength > 0 && equalManifests(kept.manifest, manifest)
    const bitfield = new Bitfield(chunkCount(size, manifest.chunkSize))
    const download = resumable ? kept : { manifest, leaves, bytes: new Uint8Array(size), bitfield }
    this.#opened.set(digest, download)
    return this.#partialOf(download, visibility)
  }

  #partialOf(download: Download, visibility: Visibility): PartialArtifact {
    const { manifest, bytes, bitfield } = download
    const { digest } = manifest
    const isOpen = (): boolean => this.#opened.get(digest) === download
    const assertOpen = (): void => {
      if (!isOpen()) throw new Error(`the partial of ${digest} is closed`)
    }
    let committed = false
    return {
      manifest,
      leaves: download.leaves,
      hasChunk: (index) => bitfield.has(index),
      get present() {
        return bitfield.count
      },
      async writeChunk(index, chunk) {
        assertOpen()
        const expected = chunkLength(manifest, index)
        if (chunk.byteLength !== expected) {
          throw new RangeError(`chunk ${index} has ${chunk.byteLength} bytes, not ${expected}`)
        }
        if (bitfield.add(index)) bytes.set(chunk, chunkRange(manifest, index).start)
      },
      async readChunk(index) {
        const { start, end } = chunkRange(manifest, index)
        if (!bitfield.has(index) || !(committed || isOpen())) {
          throw new CatalogError('NOT_FOUND', `chunk ${index} is not here`)
        }
        return bytes.subarray(start, end)
      },
      commit: async (options) => {
        assertOpen()
        if (!bitfield.complete) {
          throw new Error(`${bitfield.count} of ${bitfield.length} chunks: ${digest}`)
        }
        this.#opened.delete(digest)
        if (!options.verified && digestOf(bytes) !== digest) {
          throw new CatalogError('DIGEST_MISMATCH', `the bytes are not those of ${digest}`)
        }
        committed = true
        const description = toDescription(manifest, options.leaves ?? download.leaves)
        this.#deps.keep(bytes, description, { visibility })
      },
      suspend: async () => {
        if (!isOpen()) return
        this.#opened.delete(digest)
        if (download.leaves.byteLength > 0 && bitfield.count > 0) this.#kept.set(digest, download)
      },
      discard: async () => {
        if (isOpen()) this.#opened.delete(digest)
      },
    }
  }

  #sum(bytesOf: (download: Download) => number): number {
    let bytes = 0
    for (const download of this.#opened.values()) bytes += bytesOf(download)
    for (const download of this.#kept.values()) bytes += bytesOf(download)
    return bytes
  }
}

function toDescription(manifest: Manifest, leaves: Uint8Array): Description {
  const expected = chunkCount(manifest.size, manifest.chunkSize) * HASH_BYTES
  if (leaves.byteLength !== expected) return { manifest, leaves: new Uint8Array() }
  return { manifest: { ...manifest, root: merkleRoot(leaves) }, leaves }
}
