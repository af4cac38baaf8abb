/**
 * Which versions of a package this gateway gives to clients: facts of versions and rules in, denials out. One decision for
 * metadata and tarballs alike. Pure: it reads no clock and no file, and knows nothing of HTTP.
 */
import type { Denial, GuardedVersion, Judgement } from './guarded-version.ts'
import { judgeAge, type ReleaseAge } from './release-age.ts'
import { findDowngrades } from './trust-downgrade.ts'

export interface Rules {
  /** undefined: versions of any age are given out. */
  readonly age: ReleaseAge | undefined
  readonly trustDowngrade: 'off' | 'warn' | 'refuse'
  /** Versions without a signature of their registry are not given out. Whether one holds, the tarball shows. */
  readonly mustBeSigned: boolean
  /** Why a version is known to be malware; undefined: it is not. */
  readonly malware: (version: string) => string | undefined
}

const UNSIGNED: Denial = {
  reason: 'unsigned',
  untilMs: undefined,
  why: 'not signed by its registry, as it must be here',
}

export function judgeVersions(
  versions: readonly GuardedVersion[],
  rules: Rules,
  nowMs: number,
): Judgement {
  const { age, trustDowngrade, mustBeSigned, malware } = rules
  const denied = new Map<string, Denial>()
  let untilMs = Infinity
  const downgrades = trustDowngrade === 'off' ? new Map<string, string>() : findDowngrades(versions)
  for (const each of versions) {
    const { version } = each
    const denial =
      malwareDenial(malware(version)) ??
      (mustBeSigned && !each.isSigned ? UNSIGNED : undefined) ??
      (age && judgeAge(each, age, nowMs)) ??
      (trustDowngrade === 'refuse' ? downgradeDenial(downgrades.get(version)) : undefined)
    if (denial === undefined) continue
    denied.set(version, denial)
    untilMs = Math.min(untilMs, denial.untilMs ?? Infinity)
  }
  return {
    known: new Set(versions.map(({ version }) => version)),
    denied,
    warned: trustDowngrade === 'warn' ? downgrades : new Map(),
    untilMs,
  }
}

export function malwareDenial(id: string | undefined): Denial | undefined {
  return id === undefined
    ? undefined
    : { reason: 'malware', untilMs: undefined, why: `known malware (${id})` }
}

function downgradeDenial(why: string | undefined): Denial | undefined {
  return why === undefined
    ? undefined
    : { reason: 'trust-downgrade', untilMs: undefined, why: `less trustworthy: ${why}` }
}
