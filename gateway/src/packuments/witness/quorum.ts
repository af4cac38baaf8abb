/**
 * What k of n witnesses agree upon. Each witness has one vote, its newest statement; what fewer than k say is nobody's word.
 *
 * - A tag: the same version. Only statements count for it that are young enough, and no older than what this machine has seen of
 *   the registry itself; where several values have k votes, the one whose k votes are newest.
 * - A time: the same instant, whatever the statement's age, as the past does not change; two instants with k votes each are none.
 * - A version's digest, and that a version is gone: the same, whatever the age.
 *
 * Pure. docs/witnesses.md
 */
import type { WitnessedList } from './witnessed-list.ts'

export interface Vote {
  /** Key id of the witness. */
  readonly witness: string
  /** When the registry last gave or confirmed it, as the witness says; Unix time, milliseconds. */
  readonly seenAtMs: number
  readonly list: WitnessedList
}

export interface QuorumRules {
  /** k: votes that are needed, at least 1. */
  readonly quorum: number
  readonly nowMs: number
  /** When the registry itself last spoke of the package to this machine; 0: never. */
  readonly floorMs: number
}

export interface Agreement {
  readonly tags: ReadonlyMap<string, string>
  /** The oldest of the newest k votes for `latest`; undefined: `latest` is not agreed upon. */
  readonly latestSeenAtMs: number | undefined
  /** Tags for which young statements name several versions. */
  readonly disputed: readonly string[]
  readonly times: ReadonlyMap<string, number>
  /** Version to integrity. */
  readonly versions: ReadonlyMap<string, string>
  /** Version to reason. */
  readonly gone: ReadonlyMap<string, string>
  /** Witnesses that have said something, and those whose word on tags still counts. */
  readonly witnesses: { readonly all: number; readonly young: number }
}

/** Older statements say nothing of tags. */
export const MAX_TAG_AGE_MS = 24 * 3_600_000
/** Of a witness's clock before ours. */
export const MAX_CLOCK_SKEW_MS = 600_000

export function findAgreement(given: readonly Vote[], rules: QuorumRules): Agreement {
  const { quorum, nowMs, floorMs } = rules
  const votes = newestOfEach(given.filter(({ seenAtMs }) => seenAtMs <= nowMs + MAX_CLOCK_SKEW_MS))
  const young = votes.filter(
    ({ seenAtMs }) => seenAtMs >= floorMs && nowMs - seenAtMs <= MAX_TAG_AGE_MS,
  )
  const tags = tallyOf(young, ({ list }) => list.tags)
  const agreed = [...tags].flatMap(([tag, values]) => {
    const found = newestAgreement(values, quorum)
    return found === undefined ? [] : [[tag, found] as const]
  })
  const latest = agreed.find(([tag]) => tag === 'latest')?.[1]
  const times = tallyOf(votes, ({ list }) => factsOf(list, 1))
  const versions = tallyOf(votes, ({ list }) => factsOf(list, 0))
  return {
    tags: new Map(agreed.map(([tag, { value }]) => [tag, value])),
    latestSeenAtMs: latest?.seenAtMs,
    disputed: [...tags].filter(([, values]) => values.size > 1).map(([tag]) => tag),
    times: onlyAgreement(times, quorum),
    versions: onlyAgreement(versions, quorum),
    gone: goneBy(votes, quorum),
    witnesses: { all: votes.length, young: young.length },
  }
}

/** Of one subject: each value with when it was seen. */
type Values<T> = Map<T, number[]>

function tallyOf<T>(
  votes: readonly Vote[],
  read: (vote: Vote) => Iterable<readonly [string, T]>,
): Map<string, Values<T>> {
  const tally = new Map<string, Values<T>>()
  for (const vote of votes) {
    for (const [subject, value] of read(vote)) {
      const values = tally.get(subject) ?? new Map<T, number[]>()
      tally.set(subject, values)
      const seen = values.get(value)
      if (seen === undefined) values.set(value, [vote.seenAtMs])
      else seen.push(vote.seenAtMs)
    }
  }
  return tally
}

/** The value with enough votes whose enough newest votes are the newest. */
function newestAgreement<T>(
  values: Values<T>,
  quorum: number,
): { value: T; seenAtMs: number } | undefined {
  const enough = [...values].flatMap(([value, seen]) => {
    const seenAtMs = seen.toSorted((a, b) => b - a)[quorum - 1]
    return seenAtMs === undefined ? [] : [{ value, seenAtMs }]
  })
  return enough.sort((a, b) => b.seenAtMs - a.seenAtMs)[0]
}

/** Subjects with one value that has enough votes, and no other that has. */
function onlyAgreement<T>(tally: Map<string, Values<T>>, quorum: number): Map<string, T> {
  const agreed = new Map<string, T>()
  for (const [subject, values] of tally) {
    const [only, ...others] = [...values].filter(([, seen]) => seen.length >= quorum)
    if (only !== undefined && others.length === 0) agreed.set(subject, only[0])
  }
  return agreed
}

/** Why it is gone they need not agree upon. */
function goneBy(votes: readonly Vote[], quorum: number): Map<string, string> {
  const reasons = new Map<string, string[]>()
  for (const { list } of votes) {
    for (const [version, reason] of list.gone) {
      reasons.set(version, [...(reasons.get(version) ?? []), reason])
    }
  }
  const enough = [...reasons].filter(([, given]) => given.length >= quorum)
  // Malware is the reason that tells people more.
  return new Map(
    enough.map(([version, given]) => [
      version,
      given.find((each) => each !== 'removed') ?? 'removed',
    ]),
  )
}

function factsOf<At extends 0 | 1>(
  { versions }: WitnessedList,
  at: At,
): (readonly [string, NonNullable<(readonly [string | null, number | null])[At]>])[] {
  return [...versions].flatMap(([version, facts]) => {
    const fact = facts[at]
    return fact === null || fact === undefined ? [] : [[version, fact] as const]
  })
}

function newestOfEach(votes: readonly Vote[]): Vote[] {
  const newest = new Map<string, Vote>()
  for (const vote of votes) {
    const known = newest.get(vote.witness)
    if (known === undefined || known.seenAtMs < vote.seenAtMs) newest.set(vote.witness, vote)
  }
  return [...newest.values()]
}
