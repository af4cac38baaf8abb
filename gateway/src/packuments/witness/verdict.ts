/**
 * What a quorum of witnesses makes of a package's metadata: which of it is verified, and in one line why or why not. Pure; runs in
 * packument-worker.ts, and so imports nothing of core.
 */
import { findAgreement, type Agreement, type Vote } from './quorum.ts'
import { readList } from './witnessed-list.ts'

export interface WitnessedJob {
  /** Lists whose hashes witnesses of this user have signed. */
  readonly lists: readonly {
    readonly witness: string
    readonly seenAtMs: number
    readonly list: Uint8Array
  }[]
  readonly quorum: number
  readonly nowMs: number
  readonly floorMs: number
}

export interface WitnessVerdict {
  /** Its tags are verified, as of then (Unix time, milliseconds); undefined: they are not. */
  readonly tagsSeenAtMs: number | undefined
  /** Its times are verified, those that it has. */
  readonly hasTimes: boolean
  /** For people: `2 of 2 witnesses agree`. One line, no names. */
  readonly note: string
}

export function agreementOf({ lists, ...rules }: WitnessedJob): Agreement {
  const votes = lists.flatMap(({ witness, seenAtMs, list }): Vote[] => {
    try {
      return [{ witness, seenAtMs, list: readList(list) }]
    } catch {
      return [] // what makes no sense is no vote
    }
  })
  return findAgreement(votes, rules)
}

/** @param has whether a version is there, with evidence */
export function verdictOn(
  agreement: Agreement,
  { quorum }: Pick<WitnessedJob, 'quorum'>,
  has: (version: string) => boolean,
): WitnessVerdict {
  const { tags, latestSeenAtMs, times } = agreement
  const latest = tags.get('latest')
  const isThere = latest !== undefined && has(latest)
  return {
    tagsSeenAtMs: isThere ? latestSeenAtMs : undefined,
    hasTimes: [...times.keys()].some(has),
    note: noteOn(agreement, quorum, isThere),
  }
}

function noteOn(
  { tags, disputed, witnesses: { all, young } }: Agreement,
  quorum: number,
  isThere: boolean,
): string {
  const isDisputed = disputed.includes('latest')
  if (isThere) return `${quorum} of ${young} witnesses agree${isDisputed ? ', others do not' : ''}`
  if (tags.has('latest')) return 'the version that witnesses call latest is not there'
  if (isDisputed) return `${young} witnesses disagree on latest`
  if (young >= quorum) return 'witnesses name no latest'
  const old = all > young ? `, ${all - young} too old` : ''
  return `${young} of ${quorum} witnesses needed${old}`
}
