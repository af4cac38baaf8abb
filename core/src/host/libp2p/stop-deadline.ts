/** libp2p's stop waits for peers that may never answer: here it has a deadline. */
import type { Libp2p } from 'libp2p'
import type { Clock } from '../../timing/clock.ts'
import type { Logger } from '../../log.ts'

const STOP_TIMEOUT_MS = 10_000

/** It also stops itself, and waits for that, when it can't start. From here on it never rejects. */
export function withStopTimeout(
  libp2p: Libp2p,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): void {
  const stop = libp2p.stop.bind(libp2p)
  libp2p.stop = async () => {
    const late = Promise.withResolvers<never>()
    const cancel = clock.after(STOP_TIMEOUT_MS, () =>
      late.reject(new Error(`libp2p has not stopped within ${STOP_TIMEOUT_MS} ms`)),
    )
    try {
      await Promise.race([stop(), late.promise])
    } catch (error) {
      log.error('host.stop-failed', { error })
    } finally {
      cancel()
    }
  }
}
