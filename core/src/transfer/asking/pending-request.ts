/** One request that waits for its answer: until that comes, its asker gives up, or it is due. Knows nothing of streams. */
import type { Clock } from '../../timing/clock.ts'
import type { ManifestAnswer } from '../../wire/transfer-messages.ts'
import type { Asked } from './answer-order.ts'
import type { Deadlines } from '../../timing/deadline-queue.ts'

/** However often the peer says that its upload limit holds answers back. */
const MAX_THROTTLED_MS = 3_600_000

export interface Settled {
  readonly manifest: ManifestAnswer | undefined
  readonly bytes: Uint8Array | undefined
}

export interface Pending extends Asked {
  /** Most bytes its chunk may have. */
  maxBytes: number
  /** The peer says that it is slow on purpose: the deadline counts from here. */
  readonly renew: () => void
  readonly resolve: (result: Settled) => void
  readonly reject: (error: unknown) => void
}

export interface PendingDeps {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** The asker's. */
  readonly signal: AbortSignal
  /** What to say of a peer that did not get to it in time. */
  readonly late: () => Error
  /** It is given up: its answer is to be ignored. False when it has been answered, and is only being unpacked. */
  readonly forget: () => boolean
  readonly resolve: (result: Settled) => void
  readonly reject: (error: unknown) => void
}

export function createPending(
  about: { index: number | undefined; maxBytes: number },
  deps: PendingDeps,
): Pending {
  const { clock, deadlines, signal } = deps
  const askedMs = clock.now()
  function giveUp(reason: unknown): void {
    if (deps.forget()) reject(reason)
  }
  const onAbort = (): void => giveUp(signal.reason)
  const onDue = (): void => giveUp(deps.late())
  let cancelDeadline = deadlines.add(onDue)
  signal.addEventListener('abort', onAbort, { once: true })

  function end(): void {
    signal.removeEventListener('abort', onAbort)
    cancelDeadline()
  }
  function reject(error: unknown): void {
    end()
    deps.reject(error)
  }

  return {
    ...about,
    manifest: undefined,
    renew() {
      if (clock.now() - askedMs > MAX_THROTTLED_MS) return
      cancelDeadline()
      cancelDeadline = deadlines.add(onDue)
    },
    resolve(result) {
      end()
      deps.resolve(result)
    },
    reject,
  }
}
