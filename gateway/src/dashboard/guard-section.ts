/** What the guard is told to refuse, and what it refused of late. Names as in install-section.ts. */
import type { Activity } from '../activity/activity.ts'
import type { Viewer } from '../admin/viewer.ts'
import type { Guard } from '../guard/guard.ts'
import { maySee, type NameRules } from './install-section.ts'
import type { GuardRefusal, GuardSection } from './snapshot.ts'

export function guardSection(
  deps: { activity: Activity; guard: Pick<Guard, 'status'>; names: NameRules },
  viewer: Viewer,
): GuardSection {
  const { activity, guard, names } = deps
  const { minReleaseAgeMs, trustDowngrade, malware } = guard.status()
  const refusals = activity.refusals.map(({ visit, atMs, message, hint }): GuardRefusal => {
    const isNamed = maySee(visit, viewer, names)
    const text = isNamed ? message : null
    return { number: visit.number, atMs, text, next: isNamed ? (hint ?? null) : null }
  })
  return {
    ...{ minReleaseAgeMs, trustDowngrade, refused: activity.refusals.length },
    malware: malware && {
      records: malware.records,
      problem: viewer === 'stranger' ? null : malware.problem,
    },
    refusals: viewer === 'stranger' ? null : refusals.reverse(),
  }
}
