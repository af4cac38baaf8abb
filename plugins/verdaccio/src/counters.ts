/** What the plugin has done since it started: the numbers behind the status route and the metrics. */
import { SOURCES, type SourceName } from './tarball-request.ts'

export interface Counters {
  /** Tarballs fetched for Verdaccio, per source; those of its own storage are not counted. */
  readonly tarballs: Record<SourceName, { artifacts: number; bytes: number }>
  /** Tarballs whose bytes do not match their metadata. */
  readonly integrityFailures: Record<SourceName, number>
  /** Sources that failed, so that the next one was asked. */
  fallbacks: number
  /** Tarballs that no source delivered. */
  failures: number
  /** Tarballs without a hash in their metadata: passed on, not stored. */
  unverifiable: number
  /** Tarballs from peers by the client's own digest, without metadata or a reachable uplink. */
  rescued: number
  /** Tarballs of Verdaccio's storage that the node copied. */
  seeded: number
  /** Artifacts that the node removed because Verdaccio did. */
  withdrawn: number
}

export function createCounters(): Counters {
  const perSource = <T>(make: () => T): Record<SourceName, T> =>
    Object.fromEntries(SOURCES.map((source) => [source, make()])) as Record<SourceName, T>
  return {
    tarballs: perSource(() => ({ artifacts: 0, bytes: 0 })),
    integrityFailures: perSource(() => 0),
    fallbacks: 0,
    failures: 0,
    unverifiable: 0,
    rescued: 0,
    seeded: 0,
    withdrawn: 0,
  }
}
