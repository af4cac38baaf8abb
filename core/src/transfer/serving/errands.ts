/**
 * Requests of one stream for what must be fetched from the registry first. Each is answered at once with "fetching", and one of
 * them again and again for all, so that the asker can tell a slow registry from a dead delegate; it takes its place among the
 * requests when the artifact is in the store. Bounded; it fetches nothing itself.
 */
import { isCatalogError } from '../../errors.ts'
import type { FetchWish, Fetcher } from '../../fleet/fleet.ts'
import type { CancelTimer, Clock } from '../../timing/clock.ts'
import type { Answer, Status, WantFetch } from '../../wire/transfer-messages.ts'

/** At once, for one stream; beyond it the answer is BUSY. */
const MAX_ERRANDS = 64
/** Between two words that something is being fetched: what they tell is that this machine goes on. */
const HEARTBEAT_MS = 100

export interface ErrandDeps {
  readonly clock: Clock
  readonly fetch: Fetcher
  readonly send: (answer: Answer) => Promise<void>
  /** It is in the store: now it is a request like others. */
  readonly onFetched: (request: WantFetch) => Promise<void>
  readonly onFailed: (error: unknown) => void
  /** One of them is over, however it ended. */
  readonly onSettled: () => void
}

export class Errands {
  readonly #deps: ErrandDeps
  readonly #running = new Map<number, AbortController>()
  #cancelBeat: CancelTimer | undefined

  constructor(deps: ErrandDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#running.size
  }

  get isFull(): boolean {
    return this.#running.size >= MAX_ERRANDS
  }

  has(id: number): boolean {
    return this.#running.has(id)
  }

  start(request: WantFetch): void {
    const cancel = new AbortController()
    this.#running.set(request.id, cancel)
    const { onFailed, onSettled } = this.#deps
    this.#say(request.id)
    this.#run(request, cancel.signal).catch(onFailed).finally(onSettled)
  }

  /** True when it was one of them: the caller answers for it. */
  cancel(id: number): boolean {
    const running = this.#running.get(id)
    running?.abort(new Error('the asker no longer needs it'))
    return this.#running.delete(id)
  }

  /** The stream is over. */
  clear(): void {
    this.#cancelBeat?.()
    for (const id of [...this.#running.keys()]) this.cancel(id)
  }

  async #run(request: WantFetch, signal: AbortSignal): Promise<void> {
    const { send, onFetched } = this.#deps
    const { id, version } = request
    const wish: FetchWish = { version, digest: request.digest }
    let outcome: { digest: WantFetch['digest'] } | { status: Status }
    try {
      outcome = { digest: await this.#deps.fetch(wish, { signal }) }
    } catch (error) {
      outcome = { status: statusOf(error) }
    }
    if (signal.aborted) return // its end has been answered
    this.#running.delete(id)
    if ('status' in outcome) await send({ type: 'status', id, status: outcome.status })
    else await onFetched({ ...request, digest: outcome.digest })
  }

  /** The next word follows when this one has been taken: one that does not read gets no more of them. */
  #say(id: number): void {
    const { send, onFailed } = this.#deps
    send({ type: 'fetching', id }).then(() => this.#sayLater(), onFailed)
  }

  #sayLater(): void {
    if (this.#running.size === 0) return
    this.#cancelBeat ??= this.#deps.clock.after(HEARTBEAT_MS, () => {
      this.#cancelBeat = undefined
      const [id] = this.#running.keys()
      if (id !== undefined) this.#say(id)
    })
  }
}

function statusOf(error: unknown): Status {
  if (isCatalogError(error, 'PEER_REFUSED')) return 'refused'
  return isCatalogError(error, 'NOT_FOUND') ? 'not-found' : 'busy'
}
