/** What became of build results, in words: for `catalog status`. Pure. */
import type { GatewayStats } from '../../api.ts'

/** @param builds undefined: a daemon of an older version does not say */
export function buildFacts(
  builds: GatewayStats['builds'] | undefined,
): (readonly [string, string])[] {
  if (builds === undefined || builds.mode === 'off') return []
  const { mode, isShared, store, peer, missed, written, unsigned, untrusted, conflicts } = builds
  const given = `${store} from the store, ${peer} from peers, ${missed} not there`
  const doubts = [
    ...(unsigned > 0 && isShared ? [`${unsigned} of them for this machine only (no key)`] : []),
    ...(untrusted > 0 ? [`${untrusted} refused: by nobody who may write`] : []),
    ...(conflicts > 0 ? [`${conflicts} of which writers gave different ones`] : []),
  ]
  const kept = mode === 'write' ? [`${written} written`] : []
  const where = isShared ? '' : ', not shared: no private swarm'
  return [['build results', [`${given}${where}`, ...kept, ...doubts].join(', ')]]
}
