/**
 * The asking side of one transfer stream: pipelines requests, matches answers to them by id, checks that every answer is
 * one that was asked for and no longer than promised. It verifies no digest: who asked does that.
 */
import { decompressChunk, type Encoding } from '../content/compression.ts'
import type { Digest } from '../content/digest.ts'
import type { Clock } from '../clock.ts'
import { CatalogError, isCatalogError } from '../errors.ts'
import type { ByteStream } from '../host/host.ts'
import { readFrames } from '../wire/frames.ts'
import {
  decodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  TRANSFER_VERSION,
  type Answer,
  type ChunkAnswer,
  type ManifestAnswer,
  type StatusAnswer,
} from '../wire/messages.ts'

/** Requests under way on one stream; more wait for their turn. */
const MAX_OUTSTANDING = 64
/** Cancelled ids whose answers may still come. */
const MAX_CANCELLED = 1024

export interface WantResult {
  readonly manifest: ManifestAnswer
  /** The whole artifact, when it is one chunk. */
  readonly bytes: Uint8Array | undefined
}

interface Pending {
  readonly index: number | undefined
  /** Most bytes its chunk may have. */
  maxBytes: number
  manifest: ManifestAnswer | undefined
  resolve(result: { manifest: ManifestAnswer | undefined; bytes: Uint8Array | undefined }): void
  reject(error: unknown): void
}

export interface RequestStream {
  want(digest: Digest, options: { signal: AbortSignal }): Promise<WantResult>
  wantChunk(
    digest: Digest,
    chunk: { index: number; size: number },
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>
  readonly outstanding: number
  /** Bytes received so far: tells a slow stream from a silent one. */
  readonly receivedBytes: number
  readonly failed: boolean
  close(reason: Error): void
}

export function createRequestStream(
  stream: ByteStream,
  deps: { clock: Clock; onMisbehaviour: (reason: string) => void; onClosed: () => void },
  options: { encodings: readonly Encoding[]; maxArtifactBytes: number },
): RequestStream {
  const pending = new Map<number, Pending>()
  const cancelled = new Set<number>()
  const queue: (() => void)[] = []
  let nextId = 1
  let receivedBytes = 0
  let failure: unknown
  let greeted = false

  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      receivedBytes += bytes.byteLength
      yield bytes
    }
  }

  async function readAnswers(): Promise<void> {
    const frames = readFrames(counted(stream.source), { maxFrameBytes: MAX_ANSWER_FRAME_BYTES })
    for await (const batch of frames) for (const frame of batch) accept(decodeAnswer(frame))
    throw new CatalogError('PEER_UNREACHABLE', 'the peer ended the stream', { peer: stream.peer })
  }

  function accept(answer: Answer): void {
    if (answer.type === 'hello') {
      if (greeted) throw misbehaved('a second hello')
      greeted = true
      return
    }
    const request = pending.get(answer.id)
    if (request === undefined) return acceptCancelled(answer)
    switch (answer.type) {
      case 'status':
        settle(answer.id)
        request.reject(statusError(answer, stream.peer))
        return
      case 'manifest':
        acceptManifest(request, answer)
        return
      case 'chunk':
        acceptChunk(request, answer)
        return
    }
  }

  function acceptCancelled(answer: ManifestAnswer | ChunkAnswer | StatusAnswer): void {
    if (!cancelled.has(answer.id)) throw misbehaved('an answer nobody asked for')
    if (answer.type === 'manifest' && answer.leaves.byteLength === 0) return // its chunk follows
    cancelled.delete(answer.id)
  }

  function acceptManifest(request: Pending, answer: ManifestAnswer): void {
    if (request.index !== undefined || request.manifest !== undefined) {
      throw misbehaved('a manifest nobody asked for')
    }
    if (answer.size > options.maxArtifactBytes) {
      settle(answer.id)
      const error = new CatalogError('PEER_REFUSED', `artifact of ${answer.size} bytes`)
      return request.reject(error)
    }
    // Views of a read buffer: keep copies.
    const manifest = { ...answer, leaves: answer.leaves.slice(), present: answer.present?.slice() }
    if (answer.leaves.byteLength === 0 && answer.present === undefined) {
      request.manifest = manifest
      request.maxBytes = answer.size
      return
    }
    settle(answer.id)
    request.resolve({ manifest, bytes: undefined })
  }

  function acceptChunk(request: Pending, answer: ChunkAnswer): void {
    const expected = request.index ?? 0
    if (answer.index !== expected || (request.index === undefined && !request.manifest)) {
      throw misbehaved('a chunk nobody asked for')
    }
    if (answer.bytes.byteLength > request.maxBytes) throw misbehaved('a chunk that is too long')
    settle(answer.id)
    if (answer.encoding === 'none') {
      if (answer.bytes.byteLength !== request.maxBytes)
        throw misbehaved('a chunk that is too short')
      const { bytes } = answer
      // A small view would keep its whole read buffer alive.
      const own = bytes.byteLength * 2 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes
      return request.resolve({ manifest: request.manifest, bytes: own })
    }
    decompressChunk(answer.encoding, answer.bytes, request.maxBytes).then(
      (bytes) => request.resolve({ manifest: request.manifest, bytes }),
      (error: unknown) => {
        const lie = misbehaved('a chunk that does not decompress')
        request.reject(lie)
        fail(error instanceof Error ? lie : error)
      },
    )
  }

  function misbehaved(what: string): CatalogError {
    return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`, { peer: stream.peer })
  }

  function settle(id: number): void {
    pending.delete(id)
    queue.shift()?.()
  }

  function fail(error: unknown): void {
    if (failure !== undefined) return
    failure = error
    const reason = error instanceof Error ? error : new Error(String(error))
    stream.abort(reason)
    for (const request of pending.values()) request.reject(error)
    pending.clear()
    for (const wake of queue.splice(0)) wake()
    if (isCatalogError(error, 'PEER_MISBEHAVED')) deps.onMisbehaviour(error.message)
    deps.onClosed()
  }

  async function ask(
    frame: (id: number) => Uint8Array,
    about: { index: number | undefined; maxBytes: number },
    signal: AbortSignal,
  ): Promise<{ manifest: ManifestAnswer | undefined; bytes: Uint8Array | undefined }> {
    signal.throwIfAborted()
    while (pending.size >= MAX_OUTSTANDING && failure === undefined) {
      await new Promise<void>((resolve) => queue.push(resolve))
      signal.throwIfAborted()
    }
    if (failure !== undefined) throw failure as Error
    const id = nextId++ >>> 0
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        if (!pending.has(id)) return
        settle(id)
        cancelled.add(id)
        if (cancelled.size > MAX_CANCELLED)
          fail(new CatalogError('PEER_TIMEOUT', 'too much cancelled'))
        else stream.write(encodeRequest({ type: 'cancel', id })).catch(fail)
        reject(signal.reason as Error)
      }
      const done = <A extends unknown[]>(then: (...args: A) => void) => {
        return (...args: A): void => {
          signal.removeEventListener('abort', onAbort)
          then(...args)
        }
      }
      pending.set(id, {
        ...about,
        manifest: undefined,
        resolve: done(resolve),
        reject: done(reject),
      })
      signal.addEventListener('abort', onAbort, { once: true })
      stream.write(frame(id)).catch(fail)
    })
  }

  const hello = { type: 'hello', version: TRANSFER_VERSION, encodings: options.encodings } as const
  stream.write(encodeRequest(hello)).catch(fail)
  readAnswers().catch(fail)

  return {
    async want(digest, { signal }) {
      const frame = (id: number): Uint8Array => encodeRequest({ type: 'want', id, digest })
      const { manifest, bytes } = await ask(frame, { index: undefined, maxBytes: 0 }, signal)
      if (manifest === undefined) throw new Error('an answer without a manifest was accepted')
      return { manifest, bytes }
    },
    async wantChunk(digest, { index, size }, { signal }) {
      const frame = (id: number): Uint8Array =>
        encodeRequest({ type: 'want-chunk', id, digest, index })
      const { bytes } = await ask(frame, { index, maxBytes: size }, signal)
      if (bytes === undefined) throw new Error('an answer without bytes was accepted')
      return bytes
    },
    get outstanding() {
      return pending.size + queue.length
    },
    get receivedBytes() {
      return receivedBytes
    },
    get failed() {
      return failure !== undefined
    },
    close: fail,
  }
}

function statusError(answer: StatusAnswer, peer: string): CatalogError {
  switch (answer.status) {
    case 'not-found':
      return new CatalogError('NOT_FOUND', 'the peer has not got it', { peer })
    case 'busy':
      return new CatalogError('PEER_BUSY', 'the peer is busy', { peer })
    case 'refused':
      return new CatalogError('PEER_REFUSED', 'the peer refused', { peer })
    case 'bad-request':
      return new CatalogError('PEER_REFUSED', 'the peer did not understand the request', { peer })
  }
}
