/** Unfinished downloads of the memory store. They behave as those of fs/partials.ts, without a disk. */
import { Bitfield } from '../content/bitfield.ts'
import { chunkCount, chunkLength, chunkRange } from '../content/chunking.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { equalChunkTables, validateChunkTable, validateGeometry } from '../content/manifest.ts'
import type { ArtifactGeometry, ChunkTable, Description } from '../content/manifest.ts'
import { HASH_BYTES, merkleRoot } from '../content/merkle.ts'
import { CatalogError } from '../errors.ts'
import type { CommitOptions, PartialArtifact, PutOptions, Retention } from './store.ts'

export interface MemoryPartialsDeps {
  readonly makeSpace: (bytes: number, retention?: Retention) => boolean
  /** What all that peers claim may take together. */
  readonly maxClaimedBytes: number
  readonly has: (digest: Digest) => boolean
  /** Makes a complete one visible. */
  readonly keep: (
    geometry: ArtifactGeometry,
    bytes: Uint8Array,
    options: PutOptions & { description: Description | undefined },
  ) => void
}

interface Download {
  readonly options: PutOptions
  readonly geometry: ArtifactGeometry
  /** Undefined: from an origin. */
  readonly leaves: Uint8Array | undefined
  /** The one of its digest that can be resumed. */
  readonly isResumable: boolean
  /** As they land: what is claimed is no reason to take memory. */
  readonly chunks: Map<number, Uint8Array>
  readonly bitfield: Bitfield
}

export class MemoryPartials {
  readonly #deps: MemoryPartialsDeps
  readonly #opened = new Set<Download>()
  readonly #kept = new Map<Digest, Download>()

  constructor(deps: MemoryPartialsDeps) {
    this.#deps = deps
  }

  reservedBytes(retention?: Retention): number {
    let bytes = 0
    for (const { leaves, geometry, options } of this.#opened) {
      const isMeant = retention === undefined || options.retention === retention
      if (leaves === undefined && isMeant) bytes += geometry.size
    }
    return bytes
  }

  get presentBytes(): number {
    let bytes = 0
    for (const download of [...this.#opened, ...this.#kept.values()]) bytes += bytesOf(download)
    return bytes
  }

  get #claimedBytes(): number {
    let bytes = 0
    for (const download of [...this.#opened, ...this.#kept.values()]) {
      if (download.leaves !== undefined) bytes += bytesOf(download)
    }
    return bytes
  }

  find(digest: Digest): ChunkTable | undefined {
    const opened = [...this.#opened].find((each) => each.isResumable && isOf(each, digest))
    const { geometry, leaves } = opened ?? this.#kept.get(digest) ?? {}
    return geometry && leaves && { geometry, leaves }
  }

  drop(digest: Digest): boolean {
    return this.#kept.delete(digest)
  }

  open(
    geometry: ArtifactGeometry,
    leaves: Uint8Array | undefined,
    options: PutOptions,
  ): PartialArtifact {
    const { digest, size, chunkSize } = geometry
    if (leaves === undefined) validateGeometry(geometry)
    else validateChunkTable({ geometry, leaves })
    const fitsQuota =
      leaves === undefined
        ? this.#deps.makeSpace(size, options.retention)
        : size <= this.#deps.maxClaimedBytes
    if (!fitsQuota) throw full(geometry)
    const isFree = [...this.#opened].every((each) => !each.isResumable || !isOf(each, digest))
    const kept = this.#kept.get(digest)
    const fits =
      kept?.leaves === undefined ||
      leaves === undefined ||
      equalChunkTables({ ...kept, leaves: kept.leaves }, { geometry, leaves })
    const isResumable = leaves !== undefined && isFree && fits
    if (isResumable) this.#kept.delete(digest)
    const bitfield = new Bitfield(chunkCount(size, chunkSize))
    const fresh: Download = { options, geometry, leaves, isResumable, chunks: new Map(), bitfield }
    const download = isResumable && kept ? { ...kept, options } : fresh
    this.#opened.add(download)
    return this.#partialOf(download)
  }

  #partialOf(download: Download): PartialArtifact {
    const { geometry, chunks, bitfield, leaves } = download
    const { digest } = geometry
    const isOpen = (): boolean => this.#opened.has(download)
    const assertOpen = (): void => {
      if (!isOpen()) throw new Error(`the partial of ${digest} is closed`)
    }
    let committed: Uint8Array | undefined
    return {
      geometry,
      hasChunk: (index) => bitfield.has(index),
      get present() {
        return bitfield.count
      },
      writeChunk: async (index, chunk) => {
        assertOpen()
        const expected = chunkLength(geometry, index)
        if (chunk.byteLength !== expected) {
          throw new RangeError(`chunk ${index} has ${chunk.byteLength} bytes, not ${expected}`)
        }
        if (bitfield.has(index)) return
        if (leaves !== undefined && !this.#makeClaimSpace(expected)) throw full(geometry)
        chunks.set(index, Uint8Array.from(chunk))
        bitfield.add(index)
      },
      async readChunk(index) {
        const { start, end } = chunkRange(geometry, index)
        const chunk = committed?.subarray(start, end) ?? (isOpen() ? chunks.get(index) : undefined)
        if (chunk === undefined) throw new CatalogError('NOT_FOUND', `chunk ${index} is not here`)
        return chunk
      },
      commit: async (options) => {
        assertOpen()
        if (!bitfield.complete) {
          throw new Error(`${bitfield.count} of ${bitfield.length} chunks: ${digest}`)
        }
        const bytes = Buffer.concat(
          Array.from(
            { length: bitfield.length },
            (_, index) => chunks.get(index) ?? new Uint8Array(),
          ),
        )
        this.#opened.delete(download)
        if (!options.verified && digestOf(bytes) !== digest) {
          throw new CatalogError('DIGEST_MISMATCH', `the bytes are not those of ${digest}`)
        }
        committed = bytes
        this.#keep(download, bytes, options)
        this.#kept.delete(digest) // what another claim had left
      },
      suspend: async () => {
        if (!isOpen()) return
        this.#opened.delete(download)
        if (download.isResumable && bitfield.count > 0) this.#kept.set(digest, download)
      },
      discard: async () => {
        this.#opened.delete(download)
      },
    }
  }

  #keep({ geometry, leaves, options }: Download, bytes: Uint8Array, found: CommitOptions): void {
    const isNewClaim = leaves !== undefined && !this.#deps.has(geometry.digest)
    if (isNewClaim && !this.#deps.makeSpace(geometry.size, options.retention)) return
    const description = toDescription(geometry, { leaves, ...found })
    this.#deps.keep(geometry, bytes, { ...options, description })
  }

  /** Suspended downloads are dropped for it. */
  #makeClaimSpace(bytes: number): boolean {
    while (this.#claimedBytes + bytes > this.#deps.maxClaimedBytes) {
      const [oldest] = this.#kept.keys()
      if (oldest === undefined) return false
      this.#kept.delete(oldest)
    }
    return true
  }
}

function isOf({ geometry }: Download, digest: Digest): boolean {
  return geometry.digest === digest
}

function bytesOf({ geometry, bitfield }: Download): number {
  return Math.min(bitfield.count * geometry.chunkSize, geometry.size)
}

function toDescription(
  geometry: ArtifactGeometry,
  { leaves, root }: { leaves: Uint8Array | undefined; root?: Uint8Array },
): Description | undefined {
  const expected = chunkCount(geometry.size, geometry.chunkSize) * HASH_BYTES
  if (leaves?.byteLength !== expected) return undefined
  return { manifest: { ...geometry, root: root ?? merkleRoot(leaves) }, leaves }
}

function full({ size }: ArtifactGeometry): CatalogError {
  return new CatalogError('STORE_FULL', `no room for an artifact of ${size} bytes`)
}
