/**
 * How many answers guests get at once, all bridges together: what one answer may take of memory and of connections to registries is
 * known, so the rest is always there for the programs of this machine. The others wait for their turn, in order, in bounded number.
 */
import PQueue from 'p-queue'
import { CatalogError } from '@catalog-p2p/core'
import { queueUntilBegun } from '../queue-until-begun.ts'

/** About what one package manager asks at once. */
const AT_ONCE = 16
/** Beside those under way. A connection can bring many. */
const MAX_WAITING = 256

export class GuestTurns {
  readonly #queue = new PQueue({ concurrency: AT_ONCE })

  /**
   * @param signal aborted when the guest has gone; an answer that has begun looks at it itself
   * @throws CatalogError DENIED with status 503; `signal.reason`
   */
  async take(signal: AbortSignal, answer: () => Promise<void>): Promise<void> {
    if (this.#queue.size >= MAX_WAITING) {
      throw new CatalogError('DENIED', 'too much is asked over the bridges at once', {
        ...{ status: 503, retryAfter: '1', hint: 'ask again in a moment' },
      })
    }
    await queueUntilBegun(this.#queue, signal, answer)
  }
}
