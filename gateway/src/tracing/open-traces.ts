/** Beside the variables' parser the only file of this folder that is loaded when no collector is named. */
import type { Logger } from '@catalog-p2p/core'
import type { Activity } from '../activity/activity.ts'
import type { InstallTraces } from './install-traces.ts'
import type { TraceTarget } from './trace-target.ts'

export async function openTraces(
  deps: { activity: Activity; log: Logger },
  target: TraceTarget | undefined,
): Promise<InstallTraces | undefined> {
  if (target === undefined) return undefined
  const { InstallTraces } = await import('./install-traces.ts')
  return new InstallTraces(deps, target)
}
