/** The history of what came from where as a plot wants it: up to now, and stacked. Pure. */
import type { Source, TrafficSection } from '../snapshot.ts'
import { SOURCES } from './sources.ts'

export type Measure = 'bytes' | 'artifacts'

export interface StackedTraffic {
  /** Seconds since 1970, the beginning of each bucket. */
  readonly times: readonly number[]
  /** What each source adds, by bucket. */
  readonly own: Readonly<Record<Source, readonly number[]>>
  /** With all those below it: peers lowest, the registry on top. */
  readonly stacked: Readonly<Record<Source, readonly number[]>>
}

/** An empty plot is so wide, too. */
const MIN_BUCKETS = 30
const MAX_BUCKETS = 180

export function stackTraffic(
  traffic: TrafficSection,
  measure: Measure,
  nowMs: number,
): StackedTraffic {
  const { bucketMs, lastBucket } = traffic
  const rows = traffic[measure]
  const known = rows.peer.length
  const now = Math.max(Math.floor(nowMs / bucketMs), known > 0 ? lastBucket : 0)
  const first = known > 0 ? lastBucket - known + 1 : now
  const length = Math.min(MAX_BUCKETS, Math.max(MIN_BUCKETS, now - first + 1))
  const buckets = Array.from({ length }, (_, index) => now - length + 1 + index)
  const own = mapSources((source) => buckets.map((bucket) => rows[source][bucket - first] ?? 0))
  const below = buckets.map(() => 0)
  const stacked = mapSources((source) =>
    own[source].map((value, index) => (below[index] = (below[index] ?? 0) + value)),
  )
  return { times: buckets.map((bucket) => (bucket * bucketMs) / 1000), own, stacked }
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function mapSources<T>(make: (source: Source) => T): Record<Source, T> {
  const [peer, store, origin] = SOURCES.map(make) as [T, T, T]
  return { peer, store, origin }
}
