/** What a gateway tells of itself in numbers, whether it runs or not. */
import type { GatewayStats } from './api.ts'
import { NO_BUILDS } from './build-results/build-results.ts'
import type { Counters } from './http/counters.ts'
import { ROUTE_NAMES, type RouteName } from './http/route.ts'
import type { Parts } from './parts/parts.ts'

const NO_SOURCES = {
  answers: { registry: 0, member: 0, kept: 0, verified: 0, peer: 0 },
  oldestMs: null,
}
const NO_HINTS = { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 }

/** @param parts undefined: it does not run */
export function statsOf(
  counters: Counters,
  parts: Parts | undefined,
): Omit<GatewayStats, 'temporary' | 'frozenTrust'> {
  const upstream = parts?.upstream.counts
  const requests = Object.fromEntries(
    ROUTE_NAMES.map((name) => [name, counters.routes[name].requests]),
  ) as Record<RouteName, number>
  return {
    requests,
    tarballs: structuredClone(counters.tarballs),
    packuments: { fresh: 0, fetched: 0, stale: 0, ...parts?.packuments.counts },
    metadata: parts?.sources.snapshot() ?? NO_SOURCES,
    hints: { ...NO_HINTS, ...parts?.hints.counts },
    upstreamRequests: upstream?.requests ?? 0,
    upstreamFailures: upstream?.failures ?? 0,
    upstreamBytes: upstream?.bytes ?? 0,
    activeRequests: counters.active,
    replication: parts?.network.replication.stats() ?? { wanted: 0, packages: 0, short: 0 },
    builds: parts?.builds.stats() ?? NO_BUILDS,
    upstream: parts?.registries.main?.url ?? null,
  }
}
