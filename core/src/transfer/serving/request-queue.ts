/**
 * The requests of one stream that have not been answered to their end: those that wait, and those being answered. Either may
 * be cancelled; the number of both is bounded. Pure bookkeeping: it answers nothing.
 */
import type { Want, WantChunk, WantFetch, WantNamed } from '../../wire/transfer-messages.ts'

/** Requests that are read but whose answer has not begun; beyond it the answer is BUSY. */
export const MAX_QUEUED = 256
/** Answers being read from disk or written at once. */
export const MAX_ACTIVE = 6

export type ArtifactRequest = Want | WantChunk | WantNamed | WantFetch

export class RequestQueue {
  readonly #waiting: ArtifactRequest[] = []
  /** Ids of all of them. */
  readonly #open = new Set<number>()
  /** Ids of those that are being answered and no longer wanted. */
  readonly #cancelled = new Set<number>()
  #active = 0

  has(id: number): boolean {
    return this.#open.has(id)
  }

  get isFull(): boolean {
    return this.#waiting.length >= MAX_QUEUED
  }

  add(request: ArtifactRequest): void {
    this.#open.add(request.id)
    this.#waiting.push(request)
  }

  /** The next one to answer, active until `finish`; undefined when there is none, or enough are active. */
  start(): ArtifactRequest | undefined {
    if (this.#active >= MAX_ACTIVE) return undefined
    const request = this.#waiting.shift()
    if (request !== undefined) this.#active++
    return request
  }

  finish(id: number): void {
    this.#active--
    this.#open.delete(id)
    this.#cancelled.delete(id)
  }

  /** True when its answer has not begun: it is forgotten, and the caller answers for it. */
  cancel(id: number): boolean {
    if (!this.#open.has(id)) return false // answered already: the messages crossed
    const position = this.#waiting.findIndex((request) => request.id === id)
    if (position < 0) {
      this.#cancelled.add(id)
      return false
    }
    this.#waiting.splice(position, 1)
    this.#open.delete(id)
    return true
  }

  isCancelled(id: number): boolean {
    return this.#cancelled.has(id)
  }

  get active(): number {
    return this.#active
  }

  /** Forgets those that wait: the stream is over. */
  clear(): void {
    this.#waiting.length = 0
  }
}
