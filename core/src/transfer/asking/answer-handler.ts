/**
 * Hands each answer of one stream to its request, once it has been checked: it was asked for, it comes in order, and it is
 * no longer than promised. It verifies no digest: its callers do that.
 */
import { compact } from '../../content/compact.ts'
import { decompressChunk, type Encoding } from '../../content/compression.ts'
import { CatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Clock } from '../../timing/clock.ts'
import type { Answer, ChunkAnswer, ManifestAnswer } from '../../wire/transfer-messages.ts'
import { isPooled } from '../chunks/chunk-pool.ts'
import {
  isFollowedByChunk,
  sequenceViolation,
  type RequestAnswer,
  type RequestState,
} from './answer-sequence.ts'
import type { Pending } from './pending-request.ts'
import type { RequestTable } from './request-table.ts'
import { toStatusError } from './status-error.ts'

export interface AnswerHandlerDeps {
  readonly peer: PeerId
  readonly clock: Clock
  /** A chunk turned out, after `accept` had returned, not to decompress. */
  readonly onLie: (error: CatalogError) => void
}

export interface AnswerHandlerOptions {
  /** What we said that we can decode. */
  readonly encodings: readonly Encoding[]
  readonly maxArtifactBytes: number
}

export class AnswerHandler {
  readonly #requests: RequestTable
  readonly #deps: AnswerHandlerDeps
  readonly #options: AnswerHandlerOptions
  #greeted = false
  #throttledAtMs: number | undefined

  constructor(requests: RequestTable, deps: AnswerHandlerDeps, options: AnswerHandlerOptions) {
    this.#requests = requests
    this.#deps = deps
    this.#options = options
  }

  get isGreeted(): boolean {
    return this.#greeted
  }

  /** When the peer last said that its own upload limit holds an answer back. */
  get throttledAtMs(): number | undefined {
    return this.#throttledAtMs
  }

  /** @throws CatalogError PEER_MISBEHAVED */
  accept(answer: Answer): void {
    if (answer.type === 'hello') return this.#acceptHello()
    if (!this.#greeted) throw this.#misbehaved('an answer before its hello')
    const request = this.#requests.pending(answer.id)
    if (request === undefined) return this.#acceptCancelled(answer)
    this.#checkSequence(request, answer)
    switch (answer.type) {
      case 'wait':
        this.#throttledAtMs = this.#deps.clock.now()
        return this.#requests.renewDeadlines()
      case 'fetching':
        return request.onFetching?.()
      case 'status':
        this.#requests.settle(answer.id)
        return request.reject(toStatusError(answer.status, this.#deps.peer))
      case 'record':
        request.record = answer.record
        return
      case 'manifest':
        return this.#acceptManifest(request, answer)
      case 'chunk':
        return this.#acceptChunk(request, answer)
    }
  }

  #acceptHello(): void {
    if (this.#greeted) throw this.#misbehaved('a second hello')
    this.#greeted = true
  }

  /** Answers that were on their way when their request was cancelled. */
  #acceptCancelled(answer: RequestAnswer): void {
    const state = this.#requests.cancelled(answer.id)
    if (state === undefined) throw this.#misbehaved('an answer nobody asked for')
    this.#checkSequence(state, answer)
    if (answer.type === 'wait' || answer.type === 'fetching') return
    if (answer.type === 'record') state.record = answer.record
    else if (answer.type === 'manifest' && isFollowedByChunk(answer)) state.manifest = answer
    else this.#requests.settle(answer.id)
  }

  #acceptManifest(request: Pending, answer: ManifestAnswer): void {
    const { id, size } = answer
    if (size > this.#options.maxArtifactBytes) {
      if (isFollowedByChunk(answer)) this.#requests.cancel(id, { ...request, manifest: answer })
      else this.#requests.settle(id)
      const { peer } = this.#deps
      const error = new CatalogError('PEER_REFUSED', `artifact of ${size} bytes`, { peer })
      return request.reject(error)
    }
    // A view of a read buffer: keep a copy. (Not with slice: that of a Buffer is a view too.)
    const manifest = { ...answer, leaves: Uint8Array.from(answer.leaves) }
    if (isFollowedByChunk(answer)) {
      request.manifest = manifest
      request.maxBytes = size
      return
    }
    this.#requests.settle(id)
    request.resolve({ record: request.record, manifest, bytes: undefined })
  }

  #acceptChunk(request: Pending, { id, encoding, bytes }: ChunkAnswer): void {
    const { record, manifest, maxBytes } = request
    if (bytes.byteLength > maxBytes) throw this.#misbehaved('a chunk that is too long')
    if (encoding === 'none') {
      if (bytes.byteLength !== maxBytes) throw this.#misbehaved('a chunk that is too short')
      this.#requests.settle(id)
      const own = isPooled(bytes) ? bytes : compact(bytes) // pooled ones go back
      return request.resolve({ record, manifest, bytes: own })
    }
    if (!this.#options.encodings.includes(encoding)) {
      throw this.#misbehaved('a chunk in an encoding that was not offered')
    }
    this.#requests.settle(id)
    decompressChunk(encoding, bytes, maxBytes).then(
      (decoded) => request.resolve({ record, manifest, bytes: decoded }),
      () => {
        const lie = this.#misbehaved('a chunk that does not decompress')
        request.reject(lie)
        this.#deps.onLie(lie)
      },
    )
  }

  #checkSequence(state: RequestState, answer: RequestAnswer): void {
    const violation = sequenceViolation(state, answer)
    if (violation !== undefined) throw this.#misbehaved(violation)
  }

  #misbehaved(what: string): CatalogError {
    const { peer } = this.#deps
    return new CatalogError('PEER_MISBEHAVED', `the peer sent ${what}`, { peer })
  }
}
