/**
 * Peers that have come a moment ago and have not told yet what they hold: who looks for something then can't say that nobody has
 * it. Each is waited for a bounded time from its coming, whatever it does.
 */
import type { Host, PeerId } from '../../host/host.ts'
import type { CancelTimer, Clock } from '../../timing/clock.ts'

/** Most take some tens of milliseconds. */
const TOLD_WITHIN_MS = 5_000

export class Newcomers {
  readonly #deps: { readonly host: Host; readonly clock: Clock }
  readonly #told = new Set<PeerId>()
  readonly #waiting = new Map<PeerId, { over: PromiseWithResolvers<void>; stop: CancelTimer }>()
  #unlisten: (() => void) | undefined

  constructor(deps: { readonly host: Host; readonly clock: Clock }) {
    this.#deps = deps
  }

  start(): void {
    this.#unlisten ??= this.#deps.host.onEvent(({ type, peer }) => {
      if (type === 'connected') return this.#came(peer)
      this.#told.delete(peer)
      this.#over(peer)
    })
  }

  stop(): void {
    this.#unlisten?.()
    this.#unlisten = undefined
    for (const peer of [...this.#waiting.keys()]) this.#over(peer)
  }

  /** It has told all that it holds; before or after its coming is known here. */
  told(peer: PeerId): void {
    this.#told.add(peer)
    this.#over(peer)
  }

  /** Resolves when those that are here now have told, gone, or had their time; who comes meanwhile is not waited for. */
  async allTold(): Promise<void> {
    await Promise.all([...this.#waiting.values()].map(({ over }) => over.promise))
  }

  #came(peer: PeerId): void {
    if (this.#told.has(peer) || this.#waiting.has(peer)) return
    const stop = this.#deps.clock.after(TOLD_WITHIN_MS, () => this.#over(peer))
    this.#waiting.set(peer, { over: Promise.withResolvers(), stop })
  }

  #over(peer: PeerId): void {
    const waiting = this.#waiting.get(peer)
    this.#waiting.delete(peer)
    waiting?.stop()
    waiting?.over.resolve()
  }
}
