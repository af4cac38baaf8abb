/**
 * Why an install was fast or slow, and what would make the next one faster: counted from what was recorded of its requests.
 * Says nothing that was not measured; what it advises follows from a number that it names. Pure.
 */
import type { Cause, Explanation, SlowRequest, TimeShare } from './explanation.ts'
import type { Install } from './install-log.ts'
import { spendTime } from './time-shares.ts'
import type { Visit } from './visit.ts'

export interface ExplainFacts {
  readonly install: Install
  /** Those that are still known. */
  readonly visits: readonly Visit[]
  /** Of performance.now(). */
  readonly nowMs: number
  readonly peers: number
  readonly isStoreWritable: boolean
  readonly maySee: (visit: Visit) => boolean
  readonly showsClient: boolean
}

const SLOWEST = 5
/** Less of the whole is not worth a word of advice. */
const WORTH = 0.1

export function explain(facts: ExplainFacts): Explanation {
  const { install, visits, nowMs, showsClient } = facts
  const toMs = install.running > 0 ? nowMs : install.lastMs
  const tookMs = toMs - install.startedMs
  const { byCause, mostAtOnce } = spendTime(visits, { fromMs: install.startedMs, toMs })
  const shares = [...byCause].map(([cause, { ms, requests }]): TimeShare => {
    const text = CAUSE_WORDS[cause](requests)
    return { cause, requests, ms: Math.round(ms * 10) / 10, text }
  })
  shares.sort((a, b) => b.ms - a.ms)
  return {
    ...{ client: showsClient ? install.client : null, mostAtOnce, shares },
    startedMs: Math.round(performance.timeOrigin + install.startedMs),
    tookMs: Math.round(tookMs),
    requests: install.tarballRequests + install.metadataRequests,
    counted: visits.length,
    findings: findingsOf(facts),
    slowest: slowestOf(facts),
    next: adviceFor(facts, { shares, tookMs }),
  }
}

const CAUSE_WORDS: Readonly<Record<Cause, (requests: number) => string>> = {
  client: () => 'the client asked for nothing: it unpacked, linked, ran scripts or thought',
  'metadata-registry': (n) => `${times(n, 'question')} about versions, which the registry answered`,
  'metadata-peers': (n) => `${times(n, 'question')} about versions, which peers answered`,
  'metadata-here': (n) => `${times(n, 'question')} about versions, answered from this machine`,
  finding: (n) => `finding out which bytes ${times(n, 'package')} must have`,
  'registry-wait': (n) => `waiting for the registry to begin with ${times(n, 'package')}`,
  'registry-bytes': (n) =>
    `the bytes of ${times(n, 'package')} from the registry, and on to the client`,
  'peers-wait': (n) => `waiting for peers to give ${times(n, 'package')}`,
  'peers-bytes': (n) => `the bytes of ${times(n, 'package')} from peers, and on to the client`,
  here: (n) => `${times(n, 'package')} that were here already`,
  unanswered: (n) => `${times(n, 'request')} still on the way`,
  nothing: (n) => `${times(n, 'request')} that came to nothing`,
}

/** Each with the number that it is about. */
function findingsOf({ visits, install, peers }: ExplainFacts): string[] {
  const fetched = visits.filter(({ kind, source }) => kind === 'tarball' && source === 'origin')
  const count = (isSo: (visit: Visit) => boolean): number => fetched.filter(isSo).length
  const unasked = count(({ isPublic, course }) => isPublic === true && course?.asked === 0)
  const late = count(({ course }) => (course?.late ?? 0) > 0)
  const refused = count(({ course }) => (course?.failed ?? 0) > 0)
  const ahead = visits.filter(({ isAhead }) => isAhead).length
  const overtaken = count(
    ({ course }) => course !== undefined && course.asked > 0 && course.late + course.failed === 0,
  )
  const hidden = fetched.filter(isHidden).length
  const hedged = visits.filter(({ course, source }) => source === 'peer' && (course?.late ?? 0) > 0)
  const lines: [number, string][] = [
    [
      unasked,
      `came from the registry: no connected peer said that it has them (${peers} connected now)`,
    ],
    [hidden, 'came from the registry: they are private, and peers never hear of those'],
    [late, 'came from the registry after a peer had taken too long'],
    [refused, 'came from the registry after a peer had refused or hung up'],
    [overtaken, 'came from the registry, which was quicker than the peers that were asked'],
    [hedged.length, 'came from a peer after another had taken too long'],
    [ahead, 'had been fetched ahead of the client, while it still thought'],
    [install.denied, 'were refused by the guard'],
    [install.failed, 'failed'],
  ]
  return lines.flatMap(([number, text]) => (number > 0 ? [`${number} ${text}`] : []))
}

function slowestOf({ visits, maySee, nowMs }: ExplainFacts): SlowRequest[] {
  const took = ({ startedMs, endMs }: Visit): number => (endMs ?? nowMs) - startedMs
  return visits
    .toSorted((a, b) => took(b) - took(a))
    .slice(0, SLOWEST)
    .map((visit) => ({
      name: maySee(visit) ? visit.name : null,
      version: maySee(visit) ? (visit.version ?? null) : null,
      ms: Math.round(took(visit)),
      text: wordsFor(visit),
    }))
}

function wordsFor({ kind, source, outcome, startedMs, firstMs, course, code }: Visit): string {
  if (outcome === 'running') return 'still on its way'
  if (outcome !== 'done' && outcome !== 'unchanged')
    return code === undefined ? outcome : `${outcome}: ${code}`
  const from = { store: 'this machine', peer: 'peers', origin: 'the registry' }[source ?? 'store']
  const what = kind === 'metadata' ? `its versions, from ${from}` : `from ${from}`
  const waited =
    firstMs === undefined ? '' : `, ${Math.round(firstMs - startedMs)} ms until the first byte`
  const late = (course?.late ?? 0) > 0 ? `, ${times(course?.late ?? 0, 'peer')} late` : ''
  return what + waited + late
}

function adviceFor(
  { install, visits, peers, isStoreWritable }: ExplainFacts,
  { shares, tookMs }: { shares: readonly TimeShare[]; tookMs: number },
): string[] {
  const share = (...causes: readonly Cause[]): number =>
    shares.reduce((sum, { cause, ms }) => (causes.includes(cause) ? sum + ms : sum), 0) /
    Math.max(1, tookMs)
  const registry = share('registry-wait', 'registry-bytes')
  const metadata = share('metadata-registry', 'finding')
  const documents = countMetadata(visits)
  const hidden = visits.filter(isHidden).length
  const { origin } = install.tarballs
  const isRepeated = isStoreWritable && origin.artifacts > 0
  const lines: (readonly [number, string] | false)[] = [
    registry >= WORTH &&
      peers === 0 && [
        registry,
        `no peer is connected: with one that has them, ${times(origin.artifacts, 'package')} need not come from the registry ("catalog doctor")`,
      ],
    registry >= WORTH &&
      isRepeated && [
        registry / 2,
        `${times(origin.artifacts, 'package')} came from the registry this time and are kept now; "catalog prefetch LOCKFILE" gets a project's before its first install`,
      ],
    registry >= WORTH &&
      hidden > 0 && [
        registry / 3,
        `${times(hidden, 'package')} could not come from peers: of a registry that is not npm's own everything is private but what npm has signed. If anybody may have it: --public-registry URL`,
      ],
    metadata >= WORTH &&
      documents > 0 && [
        metadata,
        `${times(documents, 'question')} about versions went to the registry: an install from a lockfile asks fewer (npm: from one that says where each tarball is, with "resolved")`,
      ],
    !isStoreWritable && [
      1,
      'the store cannot be written: mend that, or everything is fetched again',
    ],
    share('client') >= 0.5 && [
      0.01,
      `${Math.round(100 * share('client'))} % of the time the client was busy by itself, which no registry can shorten`,
    ],
  ]
  return lines
    .filter((line) => line !== false)
    .toSorted(([a], [b]) => b - a)
    .map(([, text]) => text)
}

/** A tarball that only the registry may give, as nobody has proven that it is public. */
function isHidden({ kind, source, isPublic }: Visit): boolean {
  return kind === 'tarball' && source === 'origin' && isPublic === false
}

function countMetadata(visits: readonly Visit[]): number {
  return visits.filter(({ kind, source }) => kind === 'metadata' && source === 'origin').length
}

function times(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? '' : 's'}`
}
