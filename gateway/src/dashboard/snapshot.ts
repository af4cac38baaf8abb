/**
 * What the dashboard is told, section by section: the names of this object are those of the events. Plain data, shared by the
 * gateway that writes it and the page that reads it. Never holds more than its viewer may see (sections.ts).
 */

import type { Explanation } from '../activity/explanation.ts'

export type Source = 'peer' | 'store' | 'origin'

export interface Amount {
  readonly artifacts: number
  readonly bytes: number
}

export interface Snapshot {
  readonly totals: TotalsSection
  readonly problems: readonly Problem[]
  readonly install: InstallSection | null
  readonly traffic: TrafficSection
  readonly swarm: SwarmSection
  readonly store: StoreSection
  readonly publications: PublicationsSection
  readonly guard: GuardSection
}

/** Something that should be otherwise, and what to do about it. */
export interface Problem {
  readonly text: string
  readonly next: string
}

/** Of this run of the gateway. */
export interface TotalsSection {
  /** Who looks: with the token, from this machine, or over the network. */
  readonly viewer: 'owner' | 'neighbour' | 'stranger'
  /** When the gateway began, milliseconds since 1970. */
  readonly sinceMs: number
  /** null: peers only. */
  readonly upstream: string | null
  readonly temporary: boolean
  /** Sent to clients, by where it came from. */
  readonly tarballs: Readonly<Record<Source, Amount>>
  readonly packuments: { readonly fresh: number; readonly fetched: number; readonly stale: number }
  readonly upstreamRequests: number
  readonly upstreamFailures: number
  readonly upstreamBytes: number
  /** What other peers got from here. */
  readonly uploaded: Amount
}

export interface StoreSection {
  readonly artifacts: number
  readonly bytes: number
  readonly partialBytes: number
  readonly quotaBytes: number
  readonly pinned: number
  readonly writable: boolean
}

/** One package that was published from this machine. */
export interface Publication {
  /** null: not for this viewer. */
  readonly name: string | null
  /** Version of that tag; null: there is none. */
  readonly latest: string | null
  readonly versions: number
  /** By the publisher's clock, milliseconds since 1970. */
  readonly changedAtMs: number
  /** Connected machines beside this one that keep it; null: peers are not told of it. */
  readonly kept: number | null
}

export interface PublicationsSection {
  readonly packages: number
  /** Those that fewer than `wanted` machines keep. */
  readonly short: number
  readonly wanted: number
  /** Kept here for others, and how much that may be. */
  readonly replicaBytes: number
  readonly replicaQuotaBytes: number
  /** The newest first; null: not for this viewer. */
  readonly list: readonly Publication[] | null
}

/** `local`: in a private network; `near`: answers within 30 ms; `far`; `new`: it has answered nothing yet. */
export type Tier = 'local' | 'near' | 'far' | 'new'

export interface SwarmPeer {
  readonly id: string
  readonly tier: Tier
  readonly transport: string
  readonly address: string
  readonly artifacts: number
  readonly rttMs: number | null
  /** Bytes that it gave us, and we gave it, this run. */
  readonly gotBytes: number
  readonly gaveBytes: number
  readonly strikes: number
}

/** Machines that fetch for one another; the numbers are artifacts, this run. */
export interface FleetSection {
  /** Others than this one. */
  readonly members: number
  readonly received: number
  readonly fetched: number
  /** Times that one did not give what it was asked for. */
  readonly failed: number
  /** Documents of metadata; no members where it is not shared. */
  readonly metadata: {
    readonly members: number
    readonly received: number
    readonly given: number
    readonly failed: number
  }
}

export interface SwarmSection {
  readonly id: string
  readonly count: number
  readonly banned: number
  /** How the node is reached, in words; null: not for this viewer. */
  readonly reached: string | null
  readonly fleet: FleetSection
  /** null: not for this viewer. Those with most bytes first. */
  readonly peers: readonly SwarmPeer[] | null
}

export type RowOutcome = 'running' | 'done' | 'unchanged' | 'denied' | 'failed' | 'gone'

/** One request of the install. Milliseconds; `at` since the install began. */
export interface InstallRow {
  readonly number: number
  readonly kind: 'tarball' | 'metadata'
  /** null: it is private, or not known to be public, and who looks does not hold the token. */
  readonly name: string | null
  readonly version: string | null
  readonly at: number
  /** Until it was known which bytes it is. */
  readonly located: number | null
  /** Until the first bytes were there. */
  readonly wait: number | null
  /** null: not over. */
  readonly total: number | null
  readonly bytes: number
  readonly source: Source | null
  readonly outcome: RowOutcome
  /** Peers whose bytes it is. */
  readonly givers: readonly string[]
  /** Peers whose answer took so long that the next source was asked beside them. */
  readonly late: number
  /** It was fetched before the client asked for it. */
  readonly isAhead: boolean
}

/** What one client did without a pause; the newest such. */
export interface InstallSection {
  readonly number: number
  /** null: not for this viewer. */
  readonly client: string | null
  /** Since 1970. */
  readonly startedMs: number
  /** Since it began; null: it goes on. */
  readonly tookMs: number | null
  readonly tarballs: Readonly<Record<Source, Amount>>
  readonly tarballRequests: number
  readonly metadataRequests: number
  readonly running: number
  readonly denied: number
  readonly failed: number
  /** The longest, in the order in which they began; null: not for this viewer. */
  readonly rows: readonly InstallRow[] | null
  /** Those not among the rows, and how long the longest of them took. */
  readonly others: { readonly count: number; readonly longestMs: number }
  /** Where its time went; null while it goes on. */
  readonly explanation: Explanation | null
}

/** Of the last half hour: a number for each bucket, the oldest first, up to the last one in which something came. */
export interface TrafficSection {
  readonly bucketMs: number
  /** Number of the last bucket, counted from 1970. */
  readonly lastBucket: number
  readonly bytes: Readonly<Record<Source, readonly number[]>>
  readonly artifacts: Readonly<Record<Source, readonly number[]>>
}

export interface GuardSection {
  readonly minReleaseAgeMs: number
  readonly trustDowngrade: 'off' | 'warn' | 'refuse'
  /** Records of known malware; null: no list. */
  readonly malware: { readonly records: number; readonly problem: string | null } | null
  /** Versions that clients were refused of late, the newest first; null: not for this viewer. */
  readonly refusals: readonly GuardRefusal[] | null
  readonly refused: number
}

export interface GuardRefusal {
  readonly number: number
  /** Since 1970. */
  readonly atMs: number
  /** What was refused and why, and what to do; null: the name is not for this viewer. */
  readonly text: string | null
  readonly next: string | null
}
