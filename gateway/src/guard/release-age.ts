/** The minimum age of a version. What has no publishing time is denied, as a gate that opens for silence is none. Pure. */
import type { Denial, GuardedVersion } from './guarded-version.ts'

export interface ReleaseAge {
  readonly minMs: number
}

/** undefined: it is old enough. */
export function judgeAge(
  { publishedAtMs }: Pick<GuardedVersion, 'publishedAtMs'>,
  { minMs }: ReleaseAge,
  nowMs: number,
): Denial | undefined {
  if (publishedAtMs === undefined) return unknownAge('its registry does not say when it came out')
  const untilMs = publishedAtMs + minMs
  if (untilMs <= nowMs) return undefined
  const why = `too young: versions are used ${days(minMs)} after they came out, this one from ${dateText(untilMs)} on`
  return { reason: 'too-young', untilMs, why }
}

export function unknownAge(why: string): Denial {
  return { reason: 'unknown-age', untilMs: undefined, why: `of unknown age: ${why}` }
}

/** Whether a name, or its scope with the `@`, stands in a list of names and scopes. Case does not count. */
export function isListed(name: string, list: readonly string[]): boolean {
  const lower = name.toLowerCase()
  const scope = lower.startsWith('@') ? lower.slice(0, lower.indexOf('/')) : undefined
  return list.some((each) => each.toLowerCase() === lower || each.toLowerCase() === scope)
}

/** To the minute, in UTC. */
export function dateText(ms: number): string {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return 'an unknown time'
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function days(ms: number): string {
  const [unit, word] =
    ms < 3_600_000 ? [60_000, 'min'] : ms < 86_400_000 ? [3_600_000, 'h'] : [86_400_000, 'd']
  return `${Math.round((ms / unit) * 10) / 10} ${word}`
}
