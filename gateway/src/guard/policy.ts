/**
 * Which versions of a package this gateway gives to clients: facts of versions and rules in, denials out. One decision for
 * metadata and tarballs alike. Pure: it reads no clock and no file, and knows nothing of HTTP.
 */
import type { Denial, GuardedVersion, Judgement } from './guarded-version.ts'
import { dateText, judgeAge, type ReleaseAge } from './release-age.ts'
import { REMOVED, type Takedown } from './takedowns.ts'
import { findDowngrades } from './trust-downgrade.ts'

export interface Rules {
  /** undefined: versions of any age are given out. */
  readonly age: ReleaseAge | undefined
  readonly trustDowngrade: 'off' | 'warn' | 'refuse'
  /** Versions without a signature of their registry are not given out. Whether one holds, the tarball shows. */
  readonly mustBeSigned: boolean
  /** Why a version is known to be bad, malware or taken down; undefined: it is not. */
  readonly bad: (version: string) => Denial | undefined
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
  const { age, trustDowngrade, mustBeSigned, bad } = rules
  const denied = new Map<string, Denial>()
  let untilMs = Infinity
  const downgrades = trustDowngrade === 'off' ? new Map<string, string>() : findDowngrades(versions)
  for (const each of versions) {
    const { version } = each
    const denial =
      bad(version) ??
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

export function takedownDenial(takedown: Takedown | undefined): Denial | undefined {
  if (takedown === undefined) return undefined
  const { reason, by, seenAtMs } = takedown
  const at = dateText(seenAtMs)
  const isWitnessed = by === 'witnesses'
  if (reason !== REMOVED) {
    const why = `known malware (${reason}), as a quorum of witnesses says (noticed ${at})`
    return { reason: 'malware', untilMs: undefined, why }
  }
  const how = isWitnessed ? 'as a quorum of witnesses says' : 'which had it before'
  const why = `removed from its registry, ${how} (noticed ${at})`
  return { reason: 'removed', untilMs: undefined, why }
}

function downgradeDenial(why: string | undefined): Denial | undefined {
  return why === undefined
    ? undefined
    : { reason: 'trust-downgrade', untilMs: undefined, why: `less trustworthy: ${why}` }
}
