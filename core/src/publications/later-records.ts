/**
 * Releases that have been read and are to become records, for which peers, and we, look at their own signatures. Nobody waits for that,
 * so it is done when nothing has been read for a moment, one after another, and no more as soon as something is read again. Bounded;
 * what is not done when the node stops is done when the release is read again.
 */
import type { Digest } from '../content/digest.ts'
import type { Clock } from '../timing/clock.ts'

export interface LaterRecords {
  add(digest: Digest): void
  /** Something has been read again: whoever installs is not done. */
  postpone(): void
  /** Resolves when nothing is being done any more. */
  stop(): Promise<void>
}

/** Without a reader: longer than between two of one install, whose client unpacks meanwhile. */
const IDLE_MS = 1_000
const MAX_WAITING = 2_000

export function createLaterRecords(deps: {
  readonly clock: Clock
  /** Never rejects. */
  readonly keep: (digest: Digest, signal: AbortSignal) => Promise<void>
}): LaterRecords {
  const { clock, keep } = deps
  const waiting = new Set<Digest>()
  const stopping = new AbortController()
  let cancel = (): void => undefined
  let running: Promise<void> = Promise.resolve()
  let isIdle = false

  async function run(): Promise<void> {
    for (const digest of waiting) {
      if (!isIdle) return
      waiting.delete(digest)
      await keep(digest, stopping.signal)
      await new Promise(setImmediate) // whoever asks now goes first
    }
  }

  function postpone(): void {
    cancel()
    isIdle = false
    if (waiting.size === 0) return
    cancel = clock.after(IDLE_MS, () => {
      isIdle = true
      running = running.then(run)
    })
  }

  return {
    add(digest) {
      if (stopping.signal.aborted) return
      const [oldest] = waiting
      if (waiting.size >= MAX_WAITING && oldest !== undefined) waiting.delete(oldest)
      waiting.add(digest)
      postpone()
    },
    postpone,
    async stop() {
      cancel()
      waiting.clear()
      stopping.abort(new Error('the node is stopping'))
      await running
    },
  }
}
