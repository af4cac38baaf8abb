/** Whether enough other machines keep what was published here, in words: for `catalog status`. Pure. */
import type { GatewayStats } from '../../api.ts'
import { plural } from '../shell/format.ts'

/** @param replication undefined: a daemon of an older version does not say */
export function replicationFacts(
  replication: GatewayStats['replication'] | undefined,
): (readonly [string, string])[] {
  if (replication === undefined || replication.packages === 0) return []
  const { packages, short, wanted } = replication
  const kept = `${plural(packages, 'package')} of the network`
  if (wanted === 0) return [['published', kept]]
  const machines = `${plural(wanted, 'machine')} besides this one`
  const said =
    short === 0 ? `each kept by ${machines}` : `${short} of them KEPT BY FEWER than ${machines}`
  return [['published', `${kept}, ${said}`]]
}
