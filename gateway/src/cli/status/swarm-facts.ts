/** The private swarm of this machine in words: for `catalog status`. Pure. */
import { plural } from '../shell/format.ts'
import { timeOf, type SwarmReport } from '../swarm/swarm-report.ts'

export function swarmFacts(report: SwarmReport | null): (readonly [string, string])[] {
  if (report === null) return []
  const { name, members, certificateEndsMs, keyEndsMs, root, problem } = report
  const parts = [
    name === null ? 'unknown' : `"${name}"`,
    `${plural(members, 'other member')} connected`,
    ...(root !== null && certificateEndsMs !== null
      ? [`certified until ${timeOf(certificateEndsMs)}`]
      : []),
    ...(keyEndsMs === null ? [] : [`its key ends at ${timeOf(keyEndsMs)}`]),
  ]
  return [
    ['private swarm', parts.join(', ')],
    ...(problem === null ? [] : [['PROBLEM', `${problem.text}: ${problem.next}`] as const]),
  ]
}
