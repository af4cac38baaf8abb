/**
 * Ends connections with peers that are members no more: their key has ended, their certificate has, or it was revoked. Looks
 * every few seconds, so it acts on what changes while connections are open.
 */
import type { Host, PeerId } from '../host/host.ts'
import type { Logger } from '../log.ts'
import type { CancelTimer, Clock } from '../timing/clock.ts'

export const EXPULSION_EVERY_MS = 5_000

export function createExpulsion(deps: {
  readonly host: Pick<Host, 'peers' | 'disconnect'>
  readonly clock: Clock
  readonly log: Logger
  readonly isMember: (peer: PeerId) => boolean
}): { start(): void; stop(): void } {
  const { host, clock, log } = deps
  let cancel: CancelTimer | undefined

  function look(): void {
    try {
      for (const { peer } of host.peers()) if (!deps.isMember(peer)) expel(peer)
    } catch (error) {
      log.error('swarm.state-unknown', { error })
    }
    cancel = clock.after(EXPULSION_EVERY_MS, look)
  }

  function expel(peer: PeerId): void {
    log.info('swarm.member-expelled', { peer })
    // It may have another key, or a new certificate, and prove that.
    host.disconnect(peer, { mayReturn: true }).catch((error: unknown) => {
      log.debug('swarm.expulsion-failed', { peer, error })
    })
  }

  return { start: look, stop: () => cancel?.() }
}
