/** The check of `catalog doctor` for machines of a private swarm: whether members let this one in, and whether any is there. */
import type { Config } from '../../config/resolve.ts'
import type { DaemonClient, DaemonStatus } from '../../admin/daemon-client.ts'
import { plural } from '../shell/format.ts'
import { ownSwarm } from '../swarm/own-swarm.ts'
import { endsSoon, timeOf, type SwarmReport } from '../swarm/swarm-report.ts'
import { fail, ok, warn, type Finding } from './check.ts'

const NAME = 'swarm'

export function checkSwarm(
  config: Config,
  daemon: DaemonClient | undefined,
  status: DaemonStatus | undefined,
): Finding {
  const running = status && { info: daemon?.info, status }
  const report = ownSwarm(config, running)
  if (report !== null) {
    return swarmFinding(report, { nowMs: Date.now(), isRunning: status !== undefined })
  }
  if ((daemon?.info?.settings?.swarm ?? '') === '') return ok(NAME, 'none: the open network')
  const text = 'this machine is in no private swarm any more, and its daemon lets nobody in'
  return warn(NAME, text, 'restart it: it is of the open network then')
}

export function swarmFinding(
  report: SwarmReport,
  { nowMs, isRunning }: { readonly nowMs: number; readonly isRunning: boolean },
): Finding {
  const { name, problem, members, certificateEndsMs, root } = report
  if (problem !== null) return fail(NAME, problem.text, problem.next)
  const soon = endsSoon(report, nowMs)
  if (soon !== undefined) return warn(NAME, soon.text, soon.next)
  if (isRunning && members === 0) {
    const next =
      'is a member\'s daemon running, and in reach? give its address with --bootstrap; if they have changed the key, "catalog swarm join" with another invite; if their clocks differ from this one, set them'
    return warn(NAME, `no other member of "${name}" is connected`, next)
  }
  const until =
    root === null || certificateEndsMs === null
      ? ''
      : `, certified until ${timeOf(certificateEndsMs)}`
  return ok(NAME, `"${name}": ${plural(members, 'other member')} connected${until}`)
}
