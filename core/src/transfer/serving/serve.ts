/**
 * The answering side of one transfer stream: reads requests, answers each exactly once to its end, from the store or from
 * a download that is still arriving. It answers for public artifacts only, says the same about private and absent ones,
 * and holds a bounded number of requests and bytes a stream. docs/protocol.md, section Transfer
 */
import { negotiateEncoding, type Encoding } from '../../content/compression.ts'
import { chunkCount, chunkLength, chunkRange } from '../../content/chunking.ts'
import type { Digest } from '../../content/digest.ts'
import { hasLeaf } from '../../content/merkle.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { ByteStream } from '../../host/host.ts'
import { readFrames } from '../../wire/frames.ts'
import {
  decodeRequest,
  MAX_REQUEST_FRAME_BYTES,
  TRANSFER_VERSION,
  type Answer,
  type Cancel,
  type ManifestAnswer,
  type Request,
  type Status,
  type Want,
  type WantChunk,
} from '../../wire/transfer-messages.ts'
import type { Assembly } from '../chunks/assembly.ts'
import { createChunkEncoder } from './chunk-encoder.ts'
import { createReaderPace, STUCK_MS } from './reader-pace.ts'
import type { ServeDeps, ServeOptions } from './serve-deps.ts'
import { telling } from './telling.ts'
import { writeAnswers } from './write-answers.ts'

/** Requests of one stream that are read but not answered yet; beyond it the answer is BUSY. */
export const MAX_QUEUED = 256
/** Answers of one stream being read from disk or written at once. */
export const MAX_ACTIVE = 6
export const HELLO_DEADLINE_MS = 10_000
/** Artifacts up to this many bytes are sent as one chunk with their manifest, without being hashed for it. */
export const INLINE_BYTES = 1024 * 1024

const NO_LEAVES = new Uint8Array(0)

interface ChunkToSend {
  readonly id: number
  readonly digest: Digest
  readonly index: number
  /** Goes before it. */
  readonly manifest?: ManifestAnswer
}

/** Answers until the asker ends the stream. @throws CatalogError PEER_MISBEHAVED when it breaks the protocol */
export async function serveStream(
  stream: ByteStream,
  deps: ServeDeps,
  options: ServeOptions,
): Promise<void> {
  const { store, clock } = deps
  const reader = { peer: stream.peer, group: deps.group }
  /** Ids of requests that are not answered to their end. */
  const live = new Set<number>()
  /** Those of them that are being answered and no longer wanted. */
  const cancelled = new Set<number>()
  const queue: (Want | WantChunk)[] = []
  const encoder = createChunkEncoder()
  const stop = new AbortController()
  let active = 0
  /** Those of the active that wait for our own upload limit. */
  let held = 0
  let writing: Promise<unknown> = Promise.resolve()
  let movedAtMs = clock.now()
  let encoding: Encoding | undefined
  const pace = createReaderPace()
  let idle = Promise.withResolvers<void>()

  /** One at a time: so each that gets through shows that the reader still reads, and only one waits in the transport. */
  async function send(...answers: readonly Answer[]): Promise<void> {
    const mine = writing.then(() => write(answers))
    writing = mine.catch(() => undefined) // its sender sees it
    await mine
  }

  async function write(answers: readonly Answer[]): Promise<void> {
    const startedAtMs = clock.now()
    const bytes = await writeAnswers(stream, answers)
    movedAtMs = clock.now()
    if (pace.took(movedAtMs - startedAtMs, bytes)) return
    throw new CatalogError('PEER_TIMEOUT', 'the peer takes too little')
  }

  async function answer(request: Want | WantChunk): Promise<void> {
    try {
      const status = await answerWith(request)
      if (status !== undefined) await send({ type: 'status', id: request.id, status })
    } catch (error) {
      if (stop.signal.aborted) return
      if (isCatalogError(error) && error.code.startsWith('PEER_')) return abort(error) // told once
      const absent = isCatalogError(error, 'NOT_FOUND') || isCatalogError(error, 'STORE_CORRUPT')
      if (!absent) deps.log.warn('serve.failed', { digest: request.digest, error })
      await send({ type: 'status', id: request.id, status: absent ? 'not-found' : 'busy' })
    }
  }

  async function answerWith(request: Want | WantChunk): Promise<Status | undefined> {
    if (!options.seed) return 'refused'
    if (store.entry(request.digest)?.visibility === 'public') {
      return request.type === 'want' ? await sendStored(request) : await sendStoredChunk(request)
    }
    // The same way for what is private and what is absent, in what is said and in what is done.
    const assembly = deps.arriving(request.digest)
    if (assembly === undefined) return 'not-found'
    return request.type === 'want'
      ? await sendArriving(request.id, assembly)
      : await sendArrivingChunk(request, assembly)
  }

  async function sendStored({ id, digest }: Want): Promise<Status | undefined> {
    const size = store.entry(digest)?.size ?? 0
    const about = { type: 'manifest', id, size, present: undefined } as const
    if (size <= INLINE_BYTES) {
      // Known to be one chunk whatever the chunk size: no need to hash it.
      const manifest = { ...about, chunkSize: INLINE_BYTES, leaves: NO_LEAVES }
      return await sendWhole({ id, digest, index: 0, manifest }, size)
    }
    const { manifest, leaves } = await store.describe(digest)
    const { chunkSize } = manifest
    if (chunkCount(size, chunkSize) > 1) {
      await send({ ...about, chunkSize, leaves })
      return undefined
    }
    const one = { ...about, chunkSize, leaves: NO_LEAVES }
    return await sendWhole({ id, digest, index: 0, manifest: one }, size)
  }

  const sendWhole = (chunk: ChunkToSend, size: number): Promise<Status | undefined> =>
    deps.memory.hold(reader, size, async () => sendChunk(chunk, await store.read(chunk.digest)))

  async function sendStoredChunk(request: WantChunk): Promise<Status | undefined> {
    const { id, digest, index } = request
    const { manifest, leaves } = await store.describe(digest)
    if (index >= chunkCount(manifest.size, manifest.chunkSize)) return 'bad-request'
    if (!hasLeaf(leaves, index, request.leaf)) return 'not-found'
    const { start, end } = chunkRange(manifest, index)
    return await inBulk(digest, end - start, async () =>
      sendChunk({ id, digest, index }, await store.read(digest, { start, end })),
    )
  }

  async function sendArriving(id: number, assembly: Assembly): Promise<Status | undefined> {
    const { size, chunkSize } = assembly.geometry
    const { leaves } = assembly
    if (leaves === undefined) return 'not-found'
    await send({ type: 'manifest', id, size, chunkSize, leaves, present: assembly.present() })
    return undefined
  }

  async function sendArrivingChunk(
    request: WantChunk,
    assembly: Assembly,
  ): Promise<Status | undefined> {
    const { id, digest, index } = request
    if (index >= assembly.chunks) return 'bad-request'
    if (!assembly.has(index) || !hasLeaf(assembly.leaves, index, request.leaf)) return 'not-found'
    return await inBulk(digest, chunkLength(assembly.geometry, index), async () =>
      sendChunk({ id, digest, index }, await assembly.chunk(index)),
    )
  }

  async function inBulk(
    digest: Digest,
    bytes: number,
    act: () => Promise<Status | undefined>,
  ): Promise<Status | undefined> {
    if (!deps.takeBulkSlot(digest)) return 'busy'
    try {
      return await deps.memory.hold(reader, bytes, act)
    } finally {
      deps.releaseBulkSlot(digest)
    }
  }

  async function sendChunk(
    { id, digest, index, manifest }: ChunkToSend,
    bytes: Uint8Array,
  ): Promise<Status | undefined> {
    if (cancelled.has(id)) return 'cancelled'
    const chosen = encoding ?? 'none'
    const encoded = await encoder.encode(chosen, digest, bytes)
    const body = encoded ?? bytes
    await holdBack(id, body.byteLength)
    if (cancelled.has(id)) {
      deps.limit.spend(-body.byteLength)
      return 'cancelled'
    }
    const chunk = { id, index, encoding: encoded ? chosen : 'none', bytes: body } as const
    await send(...(manifest ? [manifest] : []), { type: 'chunk', ...chunk })
    deps.onServed(body.byteLength, index === 0)
    return undefined
  }

  async function holdBack(id: number, bytes: number): Promise<void> {
    held++
    const tell = (): void => {
      if (!cancelled.has(id)) send({ type: 'wait', id }).catch(abort)
    }
    try {
      await telling(clock, tell, deps.limit.take(bytes, stop.signal))
    } finally {
      held--
      movedAtMs = clock.now() // the wait was not the reader's fault
    }
  }

  function pump(): void {
    while (active < MAX_ACTIVE) {
      const request = queue.shift()
      if (request === undefined) break
      if (active === 0) movedAtMs = clock.now()
      active++
      answer(request)
        .catch(abort)
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

  /** Awaited by the reading of requests: whoever floods us without reading is not read either. */
  async function accept(request: Request): Promise<void> {
    if (request.type === 'hello') {
      if (encoding !== undefined) throw misbehaved('a second hello')
      encoding = negotiateEncoding(options.encodings, request.encodings)
      return
    }
    if (encoding === undefined) throw misbehaved('no hello')
    if (request.type === 'cancel') return await acceptCancel(request)
    if (live.has(request.id)) throw misbehaved('an id that is in use')
    if (queue.length >= MAX_QUEUED) {
      return await send({ type: 'status', id: request.id, status: 'busy' })
    }
    live.add(request.id)
    queue.push(request)
  }

  async function acceptCancel({ id }: Cancel): Promise<void> {
    if (!live.has(id)) return // answered already: the answers crossed
    const position = queue.findIndex((queued) => queued.id === id)
    if (position < 0) return void cancelled.add(id)
    queue.splice(position, 1)
    live.delete(id)
    await send({ type: 'status', id, status: 'cancelled' })
  }

  async function watch(): Promise<void> {
    await clock.sleep(HELLO_DEADLINE_MS, stop.signal)
    if (encoding === undefined) return abort(new CatalogError('PEER_TIMEOUT', 'no hello'))
    for (;;) {
      await clock.sleep(STUCK_MS / 4, stop.signal)
      if (active === held || clock.now() - movedAtMs < STUCK_MS) continue
      return abort(new CatalogError('PEER_TIMEOUT', 'the peer takes nothing'))
    }
  }

  watch().catch((error: unknown) => {
    if (!stop.signal.aborted) abort(error)
  })
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
    stop.abort(new Error('the stream is over'))
    queue.length = 0
  }
}

function misbehaved(what: string): CatalogError {
  return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`)
}
