/**
 * Connected peers that have not told yet what they hold: of something that nobody lists, these may be asked all the same. Ids and
 * connections cost a stranger nothing, so each address has a short time for it, and then none for some minutes, whatever comes from it.
 */
import type { Host, PeerId } from '../../host/host.ts'
import type { AddressGroup } from '../../limits/address-group.ts'
import type { Clock } from '../../timing/clock.ts'

/** At once. */
const MAX_NEWCOMERS = 8
/** From the first question on. Most have told within some tens of milliseconds. */
const ASKED_FOR_MS = 5_000
const AGAIN_AFTER_MS = 300_000
const MAX_REMEMBERED = 10_000

/** @returns those to be asked now; whose time it is begins by this */
export function createNewcomers({
  host,
  clock,
  hasTold,
}: {
  readonly host: Pick<Host, 'peers'>
  readonly clock: Clock
  readonly hasTold: (peer: PeerId) => boolean
}): () => PeerId[] {
  /** When the time of an address has begun. The oldest first. */
  const begunAtMs = new Map<AddressGroup, number>()

  function isItsTime(group: AddressGroup): boolean {
    const nowMs = clock.now()
    const agoMs = nowMs - (begunAtMs.get(group) ?? -Infinity)
    if (agoMs < AGAIN_AFTER_MS) return agoMs < ASKED_FOR_MS
    begunAtMs.delete(group)
    begunAtMs.set(group, nowMs)
    const [oldest] = begunAtMs.keys()
    if (begunAtMs.size > MAX_REMEMBERED && oldest !== undefined) begunAtMs.delete(oldest)
    return true
  }

  return () => {
    const found: PeerId[] = []
    for (const { peer, group } of host.peers()) {
      if (found.length >= MAX_NEWCOMERS) break
      if (!hasTold(peer) && isItsTime(group)) found.push(peer)
    }
    return found
  }
}
