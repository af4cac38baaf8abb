/**
 * The asking side of one transfer stream: pipelines requests, and gives each the answer that bears its id. The stream fails
 * as a whole, once, with all that waits on it: when the peer breaks the protocol, falls silent, or the connection ends.
 * It verifies no digest: its callers do that. docs/protocol.md, section Transfer
 */
import type { Encoding } from '../../content/compression.ts'
import type { Digest } from '../../content/digest.ts'
import type { NameKey } from '../../content/name-key.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import { CatalogError, isCatalogError } from '../../errors.ts'
import type { FetchWish } from '../../fleet/fleet.ts'
import type { ByteStream, PeerId } from '../../host/host.ts'
import type { Clock } from '../../timing/clock.ts'
import { eachFrame, FRAME_HEADER_BYTES } from '../../wire/frames.ts'
import {
  decodeAnswer,
  encodeRequest,
  MAX_ANSWER_FRAME_BYTES,
  TRANSFER_VERSION,
  type ManifestAnswer,
  type Request,
} from '../../wire/transfer-messages.ts'
import { AnswerHandler } from './answer-handler.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import type { PendingSubject, Settled } from './pending-request.ts'
import { RequestTable } from './request-table.ts'
import { CARRIER_SILENCE_MS, createSilenceWatch, type SilenceWatch } from './silence-watch.ts'

export interface WantResult {
  readonly manifest: ManifestAnswer
  /** The whole artifact, when it is one chunk. */
  readonly bytes: Uint8Array | undefined
  readonly record?: ArtifactRecord | undefined
}

export interface NamedResult extends WantResult {
  /** As the peer says: not verified. */
  readonly record: ArtifactRecord
}

export interface FetchedResult extends WantResult {
  /** As the peer says: not verified. Undefined: it has none. */
  readonly record: ArtifactRecord | undefined
}

export interface RequestStream {
  want(digest: Digest, options: { signal: AbortSignal }): Promise<WantResult>
  wantNamed(key: NameKey, options: { signal: AbortSignal }): Promise<NamedResult>
  /** `onFetching`: the peer says, again and again, that it is fetching it. */
  wantFetch(
    wish: FetchWish,
    options: { signal: AbortSignal; onFetching: () => void },
  ): Promise<FetchedResult>
  wantChunk(
    digest: Digest,
    chunk: { index: number; size: number; leaf: Uint8Array },
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>
  /** Requests under way or waiting. */
  readonly outstanding: number
  /** Bytes of answers received so far; word that one will come (WAIT, FETCHING) is none. Never shrinks. */
  readonly receivedBytes: number
  /** All bytes received so far but its greeting: tells a slow stream from a silent one. */
  readonly heardBytes: number
  /** When the last of them came; -Infinity before. */
  readonly heardAtMs: number
  /** When the peer last said that its own upload limit holds an answer back. */
  readonly throttledAtMs: number | undefined
  readonly failed: boolean
  /** The peer has said hello: what is sent arrives, and what it sends too. */
  readonly isGreeted: boolean
  close(reason: Error): void
}

export interface RequestStreamDeps {
  readonly clock: Clock
  readonly onMisbehaviour: (reason: string) => void
  readonly onClosed: () => void
  /** Bytes from the peer, on this stream and others of its connection: tells a slow peer from a silent one. */
  readonly heardBytes?: () => number
  /** It is a connection of its own beside the host's. One that is silent is given up sooner, its hello too, and the peer is not to blame. */
  readonly isCarrier?: boolean
  /** Memory for large answers; see chunk-pool.ts. */
  readonly allocate?: (bytes: number) => Buffer | undefined
}

export interface RequestStreamOptions {
  readonly encodings: readonly Encoding[]
  readonly maxArtifactBytes: number
}

export function createRequestStream(
  stream: ByteStream,
  deps: RequestStreamDeps,
  options: RequestStreamOptions,
): RequestStream {
  return new PipelinedRequests(stream, deps, options)
}

class PipelinedRequests implements RequestStream {
  readonly #stream: ByteStream
  readonly #deps: RequestStreamDeps
  readonly #requests: RequestTable
  readonly #answers: AnswerHandler
  readonly #outbox: Outbox
  readonly #silence: SilenceWatch
  #heardBytes = 0
  #wordBytes = 0
  #receivedBytes = 0
  #heardAtMs = -Infinity
  #failure: Error | undefined

  constructor(stream: ByteStream, deps: RequestStreamDeps, options: RequestStreamOptions) {
    this.#stream = stream
    this.#deps = deps
    const { peer } = stream
    const { clock, isCarrier = false } = deps
    const fail = (error: unknown): void => this.#fail(error)
    this.#requests = new RequestTable({
      ...{ peer, clock, onStuck: fail },
      onCancelled: (id) => this.#send({ type: 'cancel', id }),
    })
    this.#answers = new AnswerHandler(this.#requests, { peer, clock, onLie: fail }, options)
    this.#outbox = createOutbox(stream, fail)
    this.#silence = createSilenceWatch({
      clock,
      ...(isCarrier && { afterMs: CARRIER_SILENCE_MS }),
      owesAnswers: () => this.#requests.owed > 0 || (isCarrier && !this.isGreeted),
      receivedBytes: () => deps.heardBytes?.() ?? this.#heardBytes,
      onSilent: () => fail(isCarrier ? frozen(peer) : silent(peer)),
    })
    if (isCarrier) this.#silence.begin()
    this.#send({ type: 'hello', version: TRANSFER_VERSION, encodings: options.encodings })
    this.#readAnswers().catch(fail)
  }

  async want(digest: Digest, { signal }: { signal: AbortSignal }): Promise<WantResult> {
    const about = { index: undefined, maxBytes: 0, recordComes: 'never' } as const
    const request = (id: number): Request => ({ type: 'want', id, digest })
    const { manifest, bytes } = await this.#ask(about, request, signal)
    if (manifest === undefined) throw new Error('an answer without a manifest was accepted')
    return { manifest, bytes }
  }

  async wantNamed(key: NameKey, { signal }: { signal: AbortSignal }): Promise<NamedResult> {
    const about = { index: undefined, maxBytes: 0, recordComes: 'first' } as const
    const request = (id: number): Request => ({ type: 'want-named', id, key })
    const { record, manifest, bytes } = await this.#ask(about, request, signal)
    if (record === undefined || manifest === undefined) {
      throw new Error('an answer without a record was accepted')
    }
    return { record, manifest, bytes }
  }

  async wantFetch(
    { version, digest }: FetchWish,
    { signal, onFetching }: { signal: AbortSignal; onFetching: () => void },
  ): Promise<FetchedResult> {
    const about = { index: undefined, maxBytes: 0, recordComes: 'maybe', onFetching } as const
    const request = (id: number): Request => ({ type: 'want-fetch', id, version, digest })
    const { record, manifest, bytes } = await this.#ask(about, request, signal)
    if (manifest === undefined) throw new Error('an answer without a manifest was accepted')
    return { record, manifest, bytes }
  }

  async wantChunk(
    digest: Digest,
    { index, size, leaf }: { index: number; size: number; leaf: Uint8Array },
    { signal }: { signal: AbortSignal },
  ): Promise<Uint8Array> {
    const about = { index, maxBytes: size, recordComes: 'never' } as const
    const request = (id: number): Request => ({ type: 'want-chunk', id, digest, index, leaf })
    const { bytes } = await this.#ask(about, request, signal)
    if (bytes === undefined) throw new Error('an answer without bytes was accepted')
    return bytes
  }

  get outstanding(): number {
    return this.#requests.outstanding
  }

  get receivedBytes(): number {
    // The first bytes of a word are taken for those of an answer until it is whole.
    this.#receivedBytes = Math.max(this.#receivedBytes, this.#heardBytes - this.#wordBytes)
    return this.#receivedBytes
  }

  get heardBytes(): number {
    return this.#heardBytes
  }

  get heardAtMs(): number {
    return this.#heardAtMs
  }

  get throttledAtMs(): number | undefined {
    return this.#answers.throttledAtMs
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  get isGreeted(): boolean {
    return this.#answers.isGreeted
  }

  close(reason: Error): void {
    this.#fail(reason)
  }

  #ask(
    about: PendingSubject,
    request: (id: number) => Request,
    signal: AbortSignal,
  ): Promise<Settled> {
    return this.#requests.open(about, {
      signal,
      send: (id) => {
        this.#silence.begin()
        this.#send(request(id))
      },
    })
  }

  #send(request: Request): void {
    this.#outbox.send(encodeRequest(request))
  }

  async #readAnswers(): Promise<void> {
    const { allocate, clock } = this.#deps
    const { peer, source } = this.#stream
    const options = {
      maxFrameBytes: MAX_ANSWER_FRAME_BYTES,
      ...(allocate && { allocate }),
      onRead: (bytes: number) => {
        if (!this.#answers.isGreeted) return
        this.#heardBytes += bytes
        this.#heardAtMs = clock.now()
      },
    }
    await eachFrame(source, options, (frame) => {
      const answer = decodeAnswer(frame)
      const isWord = answer.type === 'wait' || answer.type === 'fetching'
      if (isWord) this.#wordBytes += FRAME_HEADER_BYTES + frame.byteLength
      this.#answers.accept(answer)
    })
    throw new CatalogError('PEER_UNREACHABLE', 'the peer ended the stream', { peer })
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    const reason = error instanceof Error ? error : new Error(String(error))
    this.#failure = reason
    this.#silence.stop()
    this.#stream.abort(reason)
    this.#requests.close(reason)
    if (isCatalogError(reason, 'PEER_MISBEHAVED')) this.#deps.onMisbehaviour(reason.message)
    this.#deps.onClosed()
  }
}

function silent(peer: PeerId): CatalogError {
  return new CatalogError('PEER_TIMEOUT', 'the peer does not answer', { peer })
}

/** As if it had been cut: what it owes is asked for again elsewhere. */
function frozen(peer: PeerId): CatalogError {
  return new CatalogError('PEER_UNREACHABLE', 'nothing comes through the carrier', { peer })
}
