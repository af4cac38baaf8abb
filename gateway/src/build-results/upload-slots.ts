/** How many results are taken in at once: each is whole in memory meanwhile. The others wait for their turn, in order. */
import PQueue from 'p-queue'

const AT_ONCE = 2

export class UploadSlots {
  readonly #queue = new PQueue({ concurrency: AT_ONCE })

  /** @throws `signal.reason` */
  take<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    return this.#queue.add(work, { signal })
  }
}
