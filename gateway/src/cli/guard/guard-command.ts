/** `catalog guard status|update|check`: asks the daemon, whose rules they are. Changes nothing but what `update` reads. */
import type { CheckedVersion, GuardReport } from '../../admin/admin-guard.ts'
import { readLockfiles } from '../prefetch/lockfile-arguments.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatFacts, formatMs, plural } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

/** Versions in one question. */
const BATCH = 2_000

export async function guardStatusCommand(
  invocation: Invocation,
  action: 'status' | 'update',
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const report = (await daemon.guard(action, {}, { signal })) as GuardReport
  if (config.json) terminal.print(JSON.stringify(report))
  else for (const line of formatFacts(factsOf(report))) terminal.print(line)
  return problemOf(report) === undefined ? EXIT.ok : EXIT.failed
}

function problemOf({ malware }: GuardReport): string | undefined {
  return malware?.problem ?? undefined
}

function factsOf(report: GuardReport): [string, string][] {
  const { minReleaseAgeMs: ageMs, minReleaseAgeExclude: spared, malware } = report
  const but = spared.length === 0 ? '' : `, but for ${spared.join(', ')}`
  const list =
    malware === null
      ? 'no list (--malware-list)'
      : `${plural(malware.records, 'record')} of ${plural(malware.names, 'package')}, read ${malware.readAt}`
  const problem = problemOf(report)
  const trouble: [string, string][] =
    problem === undefined ? [] : [['', `NOT READ SINCE: ${problem}`]]
  const skipped: [string, string][] =
    (malware?.skipped ?? 0) === 0
      ? []
      : [['', `${malware?.skipped} make no sense and are left out`]]
  return [
    ['release age', ageMs === 0 ? 'any (--min-release-age)' : `${formatMs(ageMs)} at least${but}`],
    ['trust downgrade', report.trustDowngrade],
    [
      'takedown',
      `${report.takedown.policy}, ${plural(report.takedown.versions, 'version')} noticed`,
    ],
    ['malware', list],
    ...trouble,
    ...skipped,
    ['ledger', `${plural(report.served, 'version')} given out on this machine`],
  ]
}

export async function guardCheckCommand(
  invocation: Invocation,
  lockfiles: readonly string[],
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const wanted = new Map<string, { name: string; version: string }>()
  for (const { lock } of await readLockfiles(terminal.cwd, lockfiles)) {
    for (const { name, version } of lock.packages)
      wanted.set(`${name}@${version}`, { name, version })
  }
  const packages = [...wanted.values()]
  const denied: CheckedVersion[] = []
  for (let at = 0; at < packages.length; at += BATCH) {
    const body = { packages: packages.slice(at, at + BATCH) }
    const answer = (await daemon.guard('check', body, { signal })) as { versions: CheckedVersion[] }
    denied.push(...answer.versions.filter(({ error }) => error !== undefined))
  }
  if (config.json) terminal.print(JSON.stringify({ checked: packages.length, denied }))
  else {
    for (const { error = '' } of denied) terminal.print(error)
    terminal.print(`${plural(packages.length, 'version')} checked, ${denied.length} denied`)
  }
  return denied.length === 0 ? EXIT.ok : EXIT.incomplete
}
