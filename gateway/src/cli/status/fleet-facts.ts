/** What the machines of a network save each other, in words: for `catalog status`. Pure. */
import type { NodeStats } from '@catalog-p2p/core'
import { plural } from '../shell/format.ts'

/**
 * @param fleet undefined: a daemon of an older version does not say
 * @param tarballs given to clients, by where they came from
 */
export function fleetFacts(
  fleet: NodeStats['fleet'] | undefined,
  tarballs: Readonly<Record<'peer' | 'origin', { readonly bytes: number }>>,
): (readonly [string, string])[] {
  if (fleet === undefined || fleet.members === 0) return []
  const { members, received, fetched, failed } = fleet
  const missed = failed === 0 ? '' : `, ${failed} not given in time`
  const parts = [
    `${plural(members, 'machine')} beside this one`,
    `${received} artifacts fetched by them for us${missed}`,
    `${fetched} by us for them`,
    ...copiesText(members + 1, tarballs),
  ]
  return [['fleet', parts.join('; ')]]
}

/** All machines together, if the others take as much from upstream as this one. */
function copiesText(
  machines: number,
  { peer, origin }: Parameters<typeof fleetFacts>[1],
): readonly string[] {
  const all = peer.bytes + origin.bytes
  if (all === 0) return []
  const copies = (machines * origin.bytes) / all
  return [`about ${copies.toFixed(1)} copies from upstream`]
}
