/** Whose word the metadata was that clients got, in words: for `catalog status`. Pure. */
import type { GatewayStats } from '../../api.ts'
import { formatMs } from '../shell/format.ts'

/** @param metadata undefined: a daemon of an older version does not say */
export function metadataFacts(
  metadata: GatewayStats['metadata'] | undefined,
): (readonly [string, string])[] {
  if (metadata === undefined) return []
  // A daemon of an older version does not say what came by way of a member.
  const { registry, kept, verified, peer, member = 0 } = metadata.answers
  const said = [
    `${registry} the registry's`,
    ...(member > 0 ? [`${member} the registry's by way of certified machines`] : []),
    `${kept} kept from it`,
    `${verified} of peers, verified by witnesses`,
    `${peer} of peers, NOT verified`,
  ]
  const shown = peer > 0 ? said : said.slice(0, -1)
  const age = metadata.oldestMs === null ? '' : `; the oldest ${formatMs(metadata.oldestMs)} old`
  return [['metadata from', `${shown.join(', ')}${age}`]]
}
