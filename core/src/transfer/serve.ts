/**
 * The answering side of one transfer stream: reads requests, answers from the store or from a download that is still
 * arriving. It answers for public artifacts only, says the same about private and absent ones, and holds a bounded
 * number of requests and bytes a stream.
 */
import { compressChunk, negotiateEncoding, type Encoding } from '../content/compression.ts'
import { chunkCount, chunkLength } from '../content/chunking.ts'
import type { Digest } from '../content/digest.ts'
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import { readFrames } from '../wire/frames.ts'
import {
  decodeRequest,
  encodeAnswer,
  MAX_REQUEST_FRAME_BYTES,
  TRANSFER_VERSION,
  type Answer,
  type Request,
  type Status,
  type Want,
  type WantChunk,
} from '../wire/messages.ts'
import type { Assembly } from './assembly.ts'
import type { RateLimit } from './rate-limit.ts'

/** Requests of one stream that are read but not answered yet; beyond it the answer is BUSY. */
const MAX_QUEUED = 256
/** Answers of one stream being read from disk or written at once. */
const MAX_ACTIVE = 6
const HELLO_DEADLINE_MS = 10_000
/** A reader that takes nothing for this long is dropped, with what we hold for it. */
const STUCK_MS = 60_000
/** Artifacts up to this many bytes are sent as one chunk with their manifest, without being hashed for it. */
const INLINE_BYTES = 1024 * 1024

export interface ServeDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** A public download under way, whose verified chunks can be passed on. */
  readonly arriving: (digest: Digest) => Assembly | undefined
  readonly limit: RateLimit
  readonly onServed: (bytes: number, whole: boolean) => void
  /** Takes or keeps a place among the artifacts moving in bulk to this peer; false when all are taken. */
  readonly takeBulkSlot: (digest: Digest) => boolean
}

export interface ServeOptions {
  readonly seed: boolean
  readonly encodings: readonly Encoding[]
}

/** Answers until the asker ends the stream. @throws CatalogError PEER_MISBEHAVED when it breaks the protocol */
export async function serveStream(
  stream: ByteStream,
  deps: ServeDeps,
  options: ServeOptions,
): Promise<void> {
  const live = new Set<number>()
  const cancelled = new Set<number>()
  const queue: (Want | WantChunk)[] = []
  const stop = new AbortController()
  let active = 0
  let writtenAtMs = deps.clock.now()
  let encoding: Encoding | undefined
  let idle = Promise.withResolvers<void>()

  async function send(answer: Answer): Promise<void> {
    await stream.write(encodeAnswer(answer))
    writtenAtMs = deps.clock.now()
  }

  async function answer(request: Want | WantChunk): Promise<void> {
    try {
      const status = await answerWith(request)
      if (status !== undefined) await send({ type: 'status', id: request.id, status })
    } catch (error) {
      if (stop.signal.aborted) return
      const absent = isCatalogError(error, 'NOT_FOUND') || isCatalogError(error, 'STORE_CORRUPT')
      if (!absent) deps.log.warn('serve.failed', { digest: request.digest, error })
      await send({ type: 'status', id: request.id, status: absent ? 'not-found' : 'busy' })
    }
  }

  async function answerWith(request: Want | WantChunk): Promise<Status | undefined> {
    if (!options.seed) return 'refused'
    if (deps.store.entry(request.digest)?.visibility === 'public') {
      return request.type === 'want' ? await sendStored(request) : await sendStoredChunk(request)
    }
    const assembly = deps.arriving(request.digest)
    if (assembly === undefined) return 'not-found'
    return request.type === 'want'
      ? await sendArriving(request.id, assembly)
      : await sendArrivingChunk(request, assembly)
  }

  async function sendStored({ id, digest }: Want): Promise<Status | undefined> {
    const size = deps.store.entry(digest)?.size ?? 0
    const one = {
      type: 'manifest',
      id,
      size,
      leaves: new Uint8Array(0),
      present: undefined,
    } as const
    if (size <= INLINE_BYTES) {
      // Known to be one chunk whatever the chunk size: no need to hash it.
      const bytes = await deps.store.read(digest)
      await send({ ...one, chunkSize: INLINE_BYTES })
      return await sendChunk(id, 0, bytes)
    }
    const { manifest, leaves } = await deps.store.describe(digest)
    const { chunkSize } = manifest
    if (chunkCount(size, chunkSize) > 1) await send({ ...one, chunkSize, leaves })
    else {
      await send({ ...one, chunkSize })
      return await sendChunk(id, 0, await deps.store.read(digest))
    }
    return undefined
  }

  async function sendStoredChunk({ id, digest, index }: WantChunk): Promise<Status | undefined> {
    const { manifest } = await deps.store.describe(digest)
    if (index >= chunkCount(manifest.size, manifest.chunkSize)) return 'bad-request'
    if (!deps.takeBulkSlot(digest)) return 'busy'
    const start = index * manifest.chunkSize
    const end = start + chunkLength(manifest, index)
    return await sendChunk(id, index, await deps.store.read(digest, { start, end }))
  }

  async function sendArriving(id: number, assembly: Assembly): Promise<Status | undefined> {
    const { size, chunkSize } = assembly.manifest
    const present = Buffer.alloc(Math.ceil(assembly.chunks / 8))
    for (let index = 0; index < assembly.chunks; index++) {
      if (assembly.has(index))
        present[index >> 3] = (present[index >> 3] ?? 0) | (0x80 >> (index & 7))
    }
    await send({ type: 'manifest', id, size, chunkSize, leaves: assembly.leaves, present })
    return undefined
  }

  async function sendArrivingChunk(
    { id, digest, index }: WantChunk,
    assembly: Assembly,
  ): Promise<Status | undefined> {
    if (index >= assembly.chunks) return 'bad-request'
    if (!assembly.has(index)) return 'not-found'
    if (!deps.takeBulkSlot(digest)) return 'busy'
    return await sendChunk(id, index, await assembly.chunk(index))
  }

  async function sendChunk(id: number, index: number, bytes: Uint8Array): Promise<undefined> {
    const chosen = encoding ?? 'none'
    const encoded = chosen === 'none' ? undefined : await compressChunk(chosen, bytes)
    await deps.limit.ready(stop.signal)
    if (cancelled.has(id)) return undefined
    const body = encoded ?? bytes
    await send({ type: 'chunk', id, index, encoding: encoded ? chosen : 'none', bytes: body })
    deps.limit.spend(body.byteLength)
    deps.onServed(body.byteLength, index === 0)
    return undefined
  }

  function pump(): void {
    while (active < MAX_ACTIVE) {
      const request = queue.shift()
      if (request === undefined) break
      if (cancelled.delete(request.id)) {
        live.delete(request.id)
        continue
      }
      if (active === 0) writtenAtMs = deps.clock.now()
      active++
      answer(request)
        .catch((error: unknown) => abort(error))
        .finally(() => {
          active--
          live.delete(request.id)
          cancelled.delete(request.id)
          pump()
        })
    }
    if (active === 0) idle.resolve()
  }

  function abort(error: unknown): void {
    stop.abort(error)
    stream.abort(error instanceof Error ? error : new Error(String(error)))
  }

  async function accept(request: Request): Promise<void> {
    if (request.type === 'hello') {
      if (encoding !== undefined) throw new CatalogError('PEER_MISBEHAVED', 'a second hello')
      encoding = negotiateEncoding(options.encodings, request.encodings)
      return
    }
    if (encoding === undefined) throw new CatalogError('PEER_MISBEHAVED', 'no hello')
    if (request.type === 'cancel') {
      if (live.has(request.id)) cancelled.add(request.id)
      return
    }
    if (queue.length >= MAX_QUEUED) {
      // Awaited: whoever floods us without reading is not read either.
      return await send({ type: 'status', id: request.id, status: 'busy' })
    }
    live.add(request.id)
    queue.push(request)
  }

  const greeting = setTimeout(() => {
    if (encoding === undefined) abort(new CatalogError('PEER_TIMEOUT', 'no hello'))
  }, HELLO_DEADLINE_MS)
  const stuck = setInterval(() => {
    if (active > 0 && deps.clock.now() - writtenAtMs > STUCK_MS) {
      abort(new CatalogError('PEER_TIMEOUT', 'the peer takes nothing'))
    }
  }, STUCK_MS / 4)
  try {
    await send({ type: 'hello', version: TRANSFER_VERSION, encodings: options.encodings })
    const frames = readFrames(stream.source, { maxFrameBytes: MAX_REQUEST_FRAME_BYTES })
    for await (const batch of frames) {
      for (const frame of batch) await accept(decodeRequest(frame))
      idle = Promise.withResolvers()
      pump()
    }
    if (active > 0 || queue.length > 0) await idle.promise
    await stream.end()
  } finally {
    clearTimeout(greeting)
    clearInterval(stuck)
    stop.abort(new Error('the stream is over'))
  }
}
