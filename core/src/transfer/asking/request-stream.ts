/**
 * The asking side of one transfer stream: pipelines requests, matches answers to them by id, checks that every answer is
 * one that was asked for and no longer than promised. It verifies no digest: who asked does that.
 */
import type { Clock } from '../../timing/clock.ts'
import { decompressChunk, type Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { ByteStream } from '../../host/host.ts'
import { readFrames } from '../../wire/frames.ts'
import {
  decodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  TRANSFER_VERSION,
  type Answer,
  type ChunkAnswer,
  type ManifestAnswer,
} from '../../wire/transfer-messages.ts'
import { isFollowedByChunk, outOfTurn, type Asked } from './answer-order.ts'
import { unshared } from '../chunks/chunk-pool.ts'
import { createDeadlines } from '../../timing/deadline-queue.ts'
import { createOutbox } from './outbox.ts'
import { createPending, type Pending, type Settled } from './pending-request.ts'
import { createSemaphore } from '../../timing/semaphore.ts'
import { createSilenceWatch } from './silence-watch.ts'
import { toStatusError } from './status-error.ts'

/** Requests under way on one stream; more wait for their turn. */
export const MAX_OUTSTANDING = 64
/** Of a request, once it is its turn, while the peer sends something: as long as the most patient client waits (npm). */
export const ANSWER_DEADLINE_MS = 300_000
/** Cancelled requests that the peer has not answered yet; one that answers none of so many is stuck. */
export const MAX_CANCELLED = 1024

export interface WantResult {
  readonly manifest: ManifestAnswer
  /** The whole artifact, when it is one chunk. */
  readonly bytes: Uint8Array | undefined
}

export interface RequestStream {
  want(digest: Digest, options: { signal: AbortSignal }): Promise<WantResult>
  wantChunk(
    digest: Digest,
    chunk: { index: number; size: number; leaf: Uint8Array },
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>
  /** Requests under way or waiting. */
  readonly outstanding: number
  /** Bytes received so far: tells a slow stream from a silent one. */
  readonly receivedBytes: number
  /** When the peer last said that its own upload limit holds an answer back. */
  readonly throttledAtMs: number | undefined
  readonly failed: boolean
  close(reason: Error): void
}

export function createRequestStream(
  stream: ByteStream,
  deps: {
    clock: Clock
    onMisbehaviour: (reason: string) => void
    onClosed: () => void
    /** From the peer, on this stream and others: tells a slow peer from a silent one. */
    heardBytes?: () => number
    /** Memory for large answers; see chunk-pool.ts. */
    allocate?: (bytes: number) => Buffer | undefined
  },
  options: { encodings: readonly Encoding[]; maxArtifactBytes: number },
): RequestStream {
  const { peer } = stream
  const pending = new Map<number, Pending>()
  /** Those that we have given up and whose last answer has not come. */
  const cancelled = new Map<number, Asked>()
  const turns = createSemaphore(MAX_OUTSTANDING)
  const deadlines = createDeadlines(deps.clock, { afterMs: ANSWER_DEADLINE_MS, precisionMs: 1_000 })
  const silence = createSilenceWatch({
    clock: deps.clock,
    owesAnswers: () => pending.size > 0,
    receivedBytes: () => deps.heardBytes?.() ?? receivedBytes,
    onSilent: () => fail(new CatalogError('PEER_TIMEOUT', 'the peer does not answer', { peer })),
  })
  const outbox = createOutbox(stream, fail)
  let nextId = 1
  let receivedBytes = 0
  let throttledAtMs: number | undefined
  let failure: unknown
  let greeted = false

  async function* counted(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      receivedBytes += bytes.byteLength
      yield bytes
    }
  }

  async function readAnswers(): Promise<void> {
    const frames = readFrames(counted(stream.source), {
      maxFrameBytes: MAX_ANSWER_FRAME_BYTES,
      ...(deps.allocate && { allocate: deps.allocate }),
    })
    for await (const batch of frames) for (const frame of batch) accept(decodeAnswer(frame))
    throw new CatalogError('PEER_UNREACHABLE', 'the peer ended the stream', { peer })
  }

  function accept(answer: Answer): void {
    if (answer.type === 'hello') {
      if (greeted) throw misbehaved('a second hello')
      greeted = true
      return
    }
    if (!greeted) throw misbehaved('an answer before its hello')
    const request = pending.get(answer.id)
    if (request === undefined) return acceptCancelled(answer)
    checkTurn(request, answer)
    switch (answer.type) {
      case 'wait':
        throttledAtMs = deps.clock.now()
        for (const each of pending.values()) each.renew() // those behind it wait as well
        return
      case 'status':
        settle(answer.id)
        request.reject(toStatusError(answer.status, peer))
        return
      case 'manifest':
        acceptManifest(request, answer)
        return
      case 'chunk':
        acceptChunk(request, answer)
        return
    }
  }

  function acceptCancelled(answer: Exclude<Answer, { type: 'hello' }>): void {
    const asked = cancelled.get(answer.id)
    if (asked === undefined) throw misbehaved('an answer nobody asked for')
    checkTurn(asked, answer)
    if (answer.type === 'wait') return
    if (answer.type === 'manifest' && isFollowedByChunk(answer)) asked.manifest = answer
    else cancelled.delete(answer.id)
  }

  function checkTurn(asked: Asked, answer: Exclude<Answer, { type: 'hello' }>): void {
    const problem = outOfTurn(asked, answer)
    if (problem !== undefined) throw misbehaved(problem)
  }

  function acceptManifest(request: Pending, answer: ManifestAnswer): void {
    if (answer.size > options.maxArtifactBytes) {
      settle(answer.id)
      if (isFollowedByChunk(answer)) giveUp(answer.id, { index: undefined, manifest: answer })
      const error = new CatalogError('PEER_REFUSED', `artifact of ${answer.size} bytes`, { peer })
      return request.reject(error)
    }
    // A view of a read buffer: keep a copy. (Not with slice: that of a Buffer is a view too.)
    const manifest = { ...answer, leaves: Uint8Array.from(answer.leaves) }
    if (isFollowedByChunk(answer)) {
      request.manifest = manifest
      request.maxBytes = answer.size
      return
    }
    settle(answer.id)
    request.resolve({ manifest, bytes: undefined })
  }

  function acceptChunk(request: Pending, answer: ChunkAnswer): void {
    const { manifest, maxBytes } = request
    if (answer.bytes.byteLength > maxBytes) throw misbehaved('a chunk that is too long')
    if (answer.encoding === 'none') {
      if (answer.bytes.byteLength !== maxBytes) throw misbehaved('a chunk that is too short')
      settle(answer.id)
      return request.resolve({ manifest, bytes: unshared(answer.bytes) })
    }
    if (!options.encodings.includes(answer.encoding)) {
      throw misbehaved('a chunk in an encoding that was not offered')
    }
    settle(answer.id)
    decompressChunk(answer.encoding, answer.bytes, maxBytes).then(
      (bytes) => request.resolve({ manifest, bytes }),
      () => {
        const lie = misbehaved('a chunk that does not decompress')
        request.reject(lie)
        fail(lie)
      },
    )
  }

  function misbehaved(what: string): CatalogError {
    return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`, { peer })
  }

  function settle(id: number): void {
    pending.delete(id)
    turns.release()
  }

  /** From now on its answers are ignored; the last of them ends that. */
  function giveUp(id: number, { index, manifest }: Asked): void {
    cancelled.set(id, { index, manifest })
    if (cancelled.size > MAX_CANCELLED) {
      fail(new CatalogError('PEER_TIMEOUT', 'the peer answers nothing', { peer }))
    } else {
      outbox.send(encodeRequest({ type: 'cancel', id }))
    }
  }

  function fail(error: unknown): void {
    if (failure !== undefined) return
    const reason = error instanceof Error ? error : new Error(String(error))
    failure = reason
    silence.stop()
    stream.abort(reason)
    turns.close(reason)
    for (const request of pending.values()) request.reject(reason)
    pending.clear()
    cancelled.clear()
    if (isCatalogError(reason, 'PEER_MISBEHAVED')) deps.onMisbehaviour(reason.message)
    deps.onClosed()
  }

  async function ask(
    frame: (id: number) => Uint8Array,
    about: { index: number | undefined; maxBytes: number },
    signal: AbortSignal,
  ): Promise<Settled> {
    await turns.acquire(signal)
    // Between being called and getting here, both may have happened.
    if (signal.aborted) turns.release()
    signal.throwIfAborted()
    if (failure !== undefined) throw failure as Error
    const id = nextId++ >>> 0
    return await new Promise((resolve, reject) => {
      const request = createPending(about, {
        ...{ clock: deps.clock, deadlines, signal, resolve, reject },
        late: () => new CatalogError('PEER_TIMEOUT', 'the peer does not get to it', { peer }),
        forget: () => {
          if (!pending.has(id)) return false
          settle(id)
          giveUp(id, request)
          return true
        },
      })
      pending.set(id, request)
      silence.begin()
      outbox.send(frame(id))
    })
  }

  outbox.send(
    encodeRequest({ type: 'hello', version: TRANSFER_VERSION, encodings: options.encodings }),
  )
  readAnswers().catch(fail)

  return {
    async want(digest, { signal }) {
      const frame = (id: number): Uint8Array => encodeRequest({ type: 'want', id, digest })
      const { manifest, bytes } = await ask(frame, { index: undefined, maxBytes: 0 }, signal)
      if (manifest === undefined) throw new Error('an answer without a manifest was accepted')
      return { manifest, bytes }
    },
    async wantChunk(digest, { index, size, leaf }, { signal }) {
      const frame = (id: number): Uint8Array =>
        encodeRequest({ type: 'want-chunk', id, digest, index, leaf })
      const { bytes } = await ask(frame, { index, maxBytes: size }, signal)
      if (bytes === undefined) throw new Error('an answer without bytes was accepted')
      return bytes
    },
    get outstanding() {
      return turns.taken + turns.waiting
    },
    get receivedBytes() {
      return receivedBytes
    },
    get throttledAtMs() {
      return throttledAtMs
    },
    get failed() {
      return failure !== undefined
    },
    close: fail,
  }
}
