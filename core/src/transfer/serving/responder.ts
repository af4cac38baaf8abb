/**
 * What one request is answered with: from the store, or from a download that is still arriving. Public artifacts only;
 * private and absent ones are answered alike, in what is said and in what is done. Memory is taken before bytes are read.
 */
import { chunkCount, chunkLength, chunkRange } from '../../content/chunking.ts'
import type { Digest } from '../../content/digest.ts'
import { nameKeyOf } from '../../content/name-key.ts'
import { hasLeaf } from '../../content/merkle.ts'
import type {
  Answer,
  ManifestAnswer,
  RecordAnswer,
  Status,
  Want,
  WantChunk,
  WantFetch,
  WantNamed,
} from '../../wire/transfer-messages.ts'
import type { Assembly } from '../chunks/assembly.ts'
import type { AnswerWriter } from './answer-writer.ts'
import type { ChunkSender } from './chunk-sender.ts'
import type { ArtifactRequest } from './request-queue.ts'
import type { ServeDeps } from './serve-deps.ts'
import type { Reader } from './upload-memory.ts'

/** Artifacts up to this many bytes are sent as one chunk with their manifest, without being hashed for it. */
const INLINE_BYTES = 1024 * 1024

const NO_LEAVES = new Uint8Array(0)

export interface ResponderDeps extends Pick<
  ServeDeps,
  'store' | 'recordOf' | 'arriving' | 'memory' | 'takeBulkSlot' | 'releaseBulkSlot'
> {
  readonly reader: Reader
  readonly writer: AnswerWriter
  readonly chunks: ChunkSender
}

export class Responder {
  readonly #deps: ResponderDeps

  constructor(deps: ResponderDeps) {
    this.#deps = deps
  }

  /**
   * Undefined when the answer has been sent; else the status to answer with.
   * @throws CatalogError NOT_FOUND or STORE_CORRUPT from the store, PEER_TIMEOUT from the writer
   */
  async respond(request: ArtifactRequest): Promise<Status | undefined> {
    const { store, arriving } = this.#deps
    if (request.type === 'want-named') return await this.#sendNamed(request)
    if (request.type === 'want-fetch') return await this.#sendFetched(request)
    if (store.entry(request.digest)?.visibility === 'public') {
      return request.type === 'want'
        ? await this.#sendStored(request)
        : await this.#sendStoredChunk(request)
    }
    const assembly = arriving(request.digest)
    if (assembly === undefined) return 'not-found'
    return request.type === 'want'
      ? await this.#sendArriving(request.id, assembly)
      : await this.#sendArrivingChunk(request, assembly)
  }

  async #sendNamed({ id, key }: WantNamed): Promise<Status | undefined> {
    const record = this.#deps.recordOf(key)
    if (record === undefined) return 'not-found'
    const { digest } = record
    return await this.#sendStored({ type: 'want', id, digest }, [{ type: 'record', id, record }])
  }

  /** It has been fetched: from the store like any other, with its record if there is one. */
  async #sendFetched({ id, version, digest }: WantFetch): Promise<Status | undefined> {
    const { recordOf, store } = this.#deps
    const record = recordOf(nameKeyOf(version))
    const named = digest ?? record?.digest
    if (named === undefined || store.entry(named)?.visibility !== 'public') return 'not-found'
    const before = record?.digest === named ? [{ type: 'record', id, record } as const] : []
    return await this.#sendStored({ type: 'want', id, digest: named }, before)
  }

  async #sendStored(
    { id, digest }: Want,
    before: readonly RecordAnswer[] = [],
  ): Promise<Status | undefined> {
    const { store, writer } = this.#deps
    const size = store.entry(digest)?.size ?? 0
    const about = { type: 'manifest', id, size, present: undefined } as const
    if (size <= INLINE_BYTES) {
      // Known to be one chunk whatever the chunk size: no need to hash it.
      const manifest = { ...about, chunkSize: INLINE_BYTES, leaves: NO_LEAVES }
      return await this.#sendWhole(digest, manifest, before)
    }
    const { manifest, leaves } = await store.describe(digest)
    const { chunkSize } = manifest
    if (chunkCount(size, chunkSize) === 1) {
      return await this.#sendWhole(digest, { ...about, chunkSize, leaves: NO_LEAVES }, before)
    }
    await writer.send(...before, { ...about, chunkSize, leaves })
    return undefined
  }

  #sendWhole(
    digest: Digest,
    manifest: ManifestAnswer,
    before: readonly Answer[],
  ): Promise<Status | undefined> {
    const { store, memory, reader, chunks } = this.#deps
    const chunk = { id: manifest.id, digest, index: 0, before: [...before, manifest] }
    return memory.hold(reader, manifest.size, async () =>
      chunks.send(chunk, await store.read(digest)),
    )
  }

  async #sendStoredChunk({ id, digest, index, leaf }: WantChunk): Promise<Status | undefined> {
    const { store, chunks } = this.#deps
    const { manifest, leaves } = await store.describe(digest)
    if (index >= chunkCount(manifest.size, manifest.chunkSize)) return 'bad-request'
    if (!hasLeaf(leaves, index, leaf)) return 'not-found'
    const { start, end } = chunkRange(manifest, index)
    return await this.#inBulk(digest, end - start, async () =>
      chunks.send({ id, digest, index }, await store.read(digest, { start, end })),
    )
  }

  async #sendArriving(id: number, assembly: Assembly): Promise<Status | undefined> {
    const { size, chunkSize } = assembly.geometry
    const { leaves } = assembly
    if (leaves === undefined) return 'not-found'
    const present = assembly.present()
    await this.#deps.writer.send({ type: 'manifest', id, size, chunkSize, leaves, present })
    return undefined
  }

  async #sendArrivingChunk(
    { id, digest, index, leaf }: WantChunk,
    assembly: Assembly,
  ): Promise<Status | undefined> {
    if (index >= assembly.chunks) return 'bad-request'
    if (!assembly.has(index) || !hasLeaf(assembly.leaves, index, leaf)) return 'not-found'
    return await this.#inBulk(digest, chunkLength(assembly.geometry, index), async () =>
      this.#deps.chunks.send({ id, digest, index }, await assembly.chunk(index)),
    )
  }

  async #inBulk(
    digest: Digest,
    bytes: number,
    act: () => Promise<Status | undefined>,
  ): Promise<Status | undefined> {
    const { takeBulkSlot, releaseBulkSlot, memory, reader } = this.#deps
    if (!takeBulkSlot(digest)) return 'busy'
    try {
      return await memory.hold(reader, bytes, act)
    } finally {
      releaseBulkSlot(digest)
    }
  }
}
