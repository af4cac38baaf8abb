/** Counters of this run as plain numbers: an addition on the hot path, read by metrics and status on request. */
import type { ArtifactSource } from '@catalog-p2p/core'
import { ROUTE_NAMES, type RouteName } from './route.ts'

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

export type StatusClass = (typeof CLASSES)[number]

export interface RouteCount {
  requests: number
  readonly byStatus: Record<StatusClass, number>
}

export interface Counters {
  readonly routes: Readonly<Record<RouteName, RouteCount>>
  readonly tarballs: Readonly<Record<ArtifactSource, { artifacts: number; bytes: number }>>
  active: number
  tarball(source: ArtifactSource, bytes: number): void
  request(route: RouteName, status: number): void
}

export function createCounters(): Counters {
  const empty = (): RouteCount => ({
    requests: 0,
    byStatus: { '1xx': 0, '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 },
  })
  const routes = Object.fromEntries(ROUTE_NAMES.map((name) => [name, empty()])) as Record<
    RouteName,
    RouteCount
  >
  const tarballs = {
    store: { artifacts: 0, bytes: 0 },
    peer: { artifacts: 0, bytes: 0 },
    origin: { artifacts: 0, bytes: 0 },
  }
  return {
    routes,
    tarballs,
    active: 0,
    tarball(source, bytes) {
      tarballs[source].artifacts += 1
      tarballs[source].bytes += bytes
    },
    request(route, status) {
      const count = routes[route]
      count.requests += 1
      const byClass = CLASSES[Math.trunc(status / 100) - 1]
      if (byClass !== undefined) count.byStatus[byClass] += 1
    },
  }
}
