/**
 * One request that waits for its answer: until that comes, its caller gives up, or its deadline passes. Knows nothing of
 * streams, and never decides what becomes of an answer that comes too late.
 */
import type { Clock } from '../../timing/clock.ts'
import type { ArtifactRecord } from '../../content/record.ts'
import type { ManifestAnswer } from '../../wire/transfer-messages.ts'
import type { RequestState } from './answer-sequence.ts'
import type { Deadlines } from '../../timing/deadline-queue.ts'

/** However often the peer says that its upload limit holds answers back. */
const MAX_THROTTLED_MS = 3_600_000

export interface Settled {
  /** Of a request by name. */
  readonly record: ArtifactRecord | undefined
  readonly manifest: ManifestAnswer | undefined
  readonly bytes: Uint8Array | undefined
}

/** What is requested. */
export interface PendingSubject {
  /** Of the chunk; undefined for a Want. */
  readonly index: number | undefined
  /** Most bytes that its chunk may have. */
  readonly maxBytes: number
  /** Whether a record comes before the manifest. */
  readonly recordComes: RequestState['recordComes']
  /** The peer says that it is fetching it. */
  readonly onFetching?: () => void
}

export interface Pending extends RequestState {
  readonly onFetching?: () => void
  /** Most bytes that its chunk may have. */
  maxBytes: number
  /** The peer says that it is slow on purpose: the deadline counts from here. */
  readonly renew: () => void
  readonly resolve: (result: Settled) => void
  readonly reject: (error: unknown) => void
}

export interface PendingDeps {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** The caller's. */
  readonly signal: AbortSignal
  /** The error for a peer that did not get to it in time. */
  readonly late: () => Error
  /** It is no longer wanted: answers to it are to be ignored. False when it has been answered, and is only being decompressed. */
  readonly forget: () => boolean
  readonly resolve: (result: Settled) => void
  readonly reject: (error: unknown) => void
}

export function createPending(subject: PendingSubject, deps: PendingDeps): Pending {
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
    ...subject,
    record: undefined,
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
