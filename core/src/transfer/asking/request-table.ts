/**
 * The requests of one stream that have not been answered to their end: those that somebody waits for, and those that were
 * cancelled and whose last answer is still on its way. It bounds both. It never writes to the stream and judges no answer.
 */
import { CatalogError } from '../../errors.ts'
import type { PeerId } from '../../host/host.ts'
import type { Clock } from '../../timing/clock.ts'
import { createDeadlines, type Deadlines } from '../../timing/deadline-queue.ts'
import { createSemaphore } from '../../timing/semaphore.ts'
import type { RequestState } from './answer-sequence.ts'
import {
  createPending,
  type Pending,
  type PendingSubject,
  type Settled,
} from './pending-request.ts'

/** Requests under way on one stream; more wait for a slot. */
export const MAX_OUTSTANDING = 64
/** Per request, once it has a slot, while the peer sends something: as long as the most patient client waits (npm). */
export const ANSWER_DEADLINE_MS = 300_000
/** Cancelled requests without a last answer; a peer that owes more of them is stuck. */
export const MAX_CANCELLED = 1024

const DEADLINE_PRECISION_MS = 1_000

export interface RequestTableDeps {
  readonly peer: PeerId
  readonly clock: Clock
  /** The request is no longer wanted: the peer is to be told so. */
  readonly onCancelled: (id: number) => void
  /** The peer owes too many answers to cancelled requests. */
  readonly onStuck: (error: CatalogError) => void
}

export class RequestTable {
  readonly #deps: RequestTableDeps
  readonly #pending = new Map<number, Pending>()
  readonly #cancelled = new Map<number, RequestState>()
  readonly #slots = createSemaphore(MAX_OUTSTANDING)
  readonly #deadlines: Deadlines
  #renewedAtMs = -Infinity
  #nextId = 1
  #closed: Error | undefined

  constructor(deps: RequestTableDeps) {
    this.#deps = deps
    this.#deadlines = createDeadlines(deps.clock, {
      afterMs: ANSWER_DEADLINE_MS,
      precisionMs: DEADLINE_PRECISION_MS,
    })
  }

  /**
   * Takes a slot, has the request sent, and resolves with its answer.
   * @throws CatalogError PEER_TIMEOUT at the deadline, what `reject` or `close` was given, or `signal.reason`
   */
  async open(
    subject: PendingSubject,
    { signal, send }: { signal: AbortSignal; send: (id: number) => void },
  ): Promise<Settled> {
    if (!this.#slots.tryAcquire()) await this.#slots.acquire(signal)
    // Between getting the slot and arriving here, both may have happened.
    if (signal.aborted) this.#slots.release()
    signal.throwIfAborted()
    if (this.#closed !== undefined) throw this.#closed
    const id = this.#nextId++ >>> 0
    const { peer, clock } = this.#deps
    return await new Promise((resolve, reject) => {
      const request = createPending(subject, {
        ...{ clock, deadlines: this.#deadlines, signal, resolve, reject },
        late: () => new CatalogError('PEER_TIMEOUT', 'the peer does not get to it', { peer }),
        forget: () => {
          if (!this.#pending.has(id)) return false
          this.cancel(id, request)
          return true
        },
      })
      this.#pending.set(id, request)
      send(id)
    })
  }

  pending(id: number): Pending | undefined {
    return this.#pending.get(id)
  }

  cancelled(id: number): RequestState | undefined {
    return this.#cancelled.get(id)
  }

  /** The last answer of a pending or a cancelled request has come. */
  settle(id: number): void {
    if (this.#cancelled.delete(id)) return
    if (this.#pending.delete(id)) this.#slots.release()
  }

  /** From now on answers to it are ignored, until the last of them has come. */
  cancel(id: number, { index, recordComes, record, manifest }: RequestState): void {
    this.settle(id)
    this.#cancelled.set(id, { index, recordComes, record, manifest }) // a copy: a pending request holds on to its caller
    if (this.#cancelled.size > MAX_CANCELLED) {
      const { peer } = this.#deps
      this.#deps.onStuck(new CatalogError('PEER_TIMEOUT', 'the peer answers nothing', { peer }))
    } else {
      this.#deps.onCancelled(id)
    }
  }

  /** The peer says that its upload limit holds answers back: the deadlines of all that wait behind it begin anew. */
  renewDeadlines(): void {
    const nowMs = this.#deps.clock.now()
    // However many words come, no more work than the deadlines are precise.
    if (nowMs - this.#renewedAtMs < DEADLINE_PRECISION_MS) return
    this.#renewedAtMs = nowMs
    for (const request of this.#pending.values()) request.renew()
  }

  /** Rejects all that wait, and all that come later. */
  close(reason: Error): void {
    this.#closed = reason
    this.#slots.close(reason)
    for (const request of this.#pending.values()) request.reject(reason)
    this.#pending.clear()
    this.#cancelled.clear()
  }

  /** Requests sent whose last answer has not come, also those that were cancelled: the peer ends these too. */
  get owed(): number {
    return this.#pending.size + this.#cancelled.size
  }

  /** Requests sent or waiting for a slot. */
  get outstanding(): number {
    return this.#slots.taken + this.#slots.waiting
  }
}
