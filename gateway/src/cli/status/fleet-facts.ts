/** What the machines of a network save each other, in words: for `catalog status`. Pure. */
import type { NodeStats } from '@catalog-p2p/core'
import { plural } from '../shell/format.ts'

/** A daemon of an older version says nothing of metadata. */
type FleetSaid = Omit<NodeStats['fleet'], 'metadata'> &
  Partial<Pick<NodeStats['fleet'], 'metadata'>>

/**
 * @param fleet undefined: a daemon of an older version does not say
 * @param documents of metadata that were asked for, at the registry or at a machine
 * @param tarballs given to clients, by where they came from
 */
export function fleetFacts(
  fleet: FleetSaid | undefined,
  tarballs: Readonly<Record<'peer' | 'origin', { readonly bytes: number }>>,
  documents: { readonly fetched: number },
): (readonly [string, string])[] {
  if (fleet === undefined || fleet.members === 0) return []
  const { metadata } = fleet
  const { members, received, fetched, failed } = fleet
  const missed = failed === 0 ? '' : `, ${failed} not given in time`
  const parts = [
    `${plural(members, 'machine')} beside this one`,
    `${received} artifacts fetched by them for us${missed}`,
    `${fetched} by us for them`,
    ...copiesText(members + 1, tarballs),
  ]
  if (metadata !== undefined && metadata.members > 0) parts.push(metadataText(metadata, documents))
  return [['fleet', parts.join('; ')]]
}

function metadataText(
  { members, received, failed, given }: NodeStats['fleet']['metadata'],
  { fetched }: { readonly fetched: number },
): string {
  const missed = failed === 0 ? '' : `, ${failed} not given in time`
  const ours = Math.max(0, fetched - received)
  const copies =
    fetched === 0 ? '' : `, about ${(((members + 1) * ours) / fetched).toFixed(1)} copies`
  return `metadata shared with ${members}: ${received} documents from them${missed}, ${given} to them${copies}`
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
