/** Whether enough other machines keep what was published here, and what is kept here for them, in words: for `catalog status`. Pure. */
import type { NodeStats } from '@catalog-p2p/core'
import type { GatewayStats } from '../../api.ts'
import { formatBytes, plural } from '../shell/format.ts'

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

/** Its quota is undefined in a daemon of an older version. */
export function keptForOthers({
  replicaBytes = 0,
  replicaQuotaBytes,
}: Partial<NodeStats['store']>): (readonly [string, string])[] {
  if (replicaQuotaBytes === undefined) return []
  if (replicaQuotaBytes === 0) return [['kept for others', 'nothing, as set']]
  const most = formatBytes(replicaQuotaBytes)
  return [['kept for others', `${formatBytes(replicaBytes)} of ${most} at most`]]
}
