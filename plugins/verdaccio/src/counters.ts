/** What the plugin has done, this run: the numbers behind the status route and the metrics. */
import { SOURCES, type SourceName } from './tarball-request.ts'

export interface Counters {
  /** Tarballs fetched for Verdaccio, by where they came from; its own storage is not in here. */
  readonly tarballs: Record<SourceName, { artifacts: number; bytes: number }>
  /** Tarballs of other bytes than their metadata names. */
  readonly integrityFailures: Record<SourceName, number>
  /** A source failed, and another one was asked. */
  fallbacks: number
  /** Tarballs that no source gave. */
  failures: number
  /** Without any hash in their metadata: passed on, not stored. */
  unverifiable: number
  /** Tarballs got from peers by the client's own digest, with no metadata here and no uplink in reach. */
  rescued: number
  /** Tarballs of Verdaccio's storage that the node took over. */
  seeded: number
  withdrawn: number
}

export function createCounters(): Counters {
  const each = <T>(make: () => T): Record<SourceName, T> =>
    Object.fromEntries(SOURCES.map((source) => [source, make()])) as Record<SourceName, T>
  return {
    tarballs: each(() => ({ artifacts: 0, bytes: 0 })),
    integrityFailures: each(() => 0),
    ...{ fallbacks: 0, failures: 0, unverifiable: 0, rescued: 0, seeded: 0, withdrawn: 0 },
  }
}
