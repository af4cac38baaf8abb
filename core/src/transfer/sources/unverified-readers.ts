/**
 * The one case in which bytes are read before they are verified: a large artifact that only peers have and that takes longer
 * than clients wait for a first byte. Never while there is an origin, never a claim that could hold readers for ever, and
 * never the end of it.
 */
import type { TransferDeps } from '../transfer-deps.ts'
import type { Race } from './source.ts'

/** Our plugins for Yarn and pnpm give up after 20 s without a byte, pnpm and Yarn themselves after a minute. */
const READ_AFTER_MS = 18_000
/** A claim that would take longer than this at its pace is not worth a reader. */
const MAX_REMAINING_MS = 3_600_000
const POLL_MS = 500

export function offerUnverified(race: Race, deps: TransferDeps): void {
  const { claims, delivery, signal, origin } = race

  async function wait(): Promise<void> {
    await deps.clock.sleep(READ_AFTER_MS, signal)
    for (; claims.count > 0; await deps.clock.sleep(POLL_MS, signal)) {
      const leader = claims.leader({ provenFirst: true })
      const assembly = leader?.assembly
      if (origin.isAlive || leader === undefined || assembly === undefined) continue
      if (leader.remainingMs > MAX_REMAINING_MS) continue
      delivery.offer('peer', assembly)
      leader.verified.catch((error: unknown) => race.end(error))
      return
    }
  }

  claims.onFirst(() => {
    wait().catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  })
}
