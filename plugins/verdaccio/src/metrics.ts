/** Prometheus metrics, computed on each scrape. Labels come from closed sets: never the name of a package or a peer. */
import { Counter, Gauge, Registry } from 'prom-client'
import type { CatalogNode, NodeStats } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { SOURCES, type SourceName } from './tarball-request.ts'

export interface Metrics {
  readonly contentType: string
  render(): Promise<string>
}

export function createMetrics(deps: {
  readonly counters: Counters
  readonly node: () => CatalogNode | undefined
}): Metrics {
  const registry = new Registry()
  tarballMetrics(registry, deps.counters)
  plainMetrics(registry, deps.counters)
  nodeMetrics(registry, () => deps.node()?.stats())
  return { contentType: registry.contentType, render: () => registry.metrics() }
}

function tarballMetrics(registry: Registry, { tarballs, integrityFailures }: Counters): void {
  const bySource = (name: string, help: string, value: (source: SourceName) => number): void => {
    new Counter({
      name: `catalog_verdaccio_${name}_total`,
      help,
      labelNames: ['source'],
      registers: [registry],
      collect() {
        this.reset()
        for (const source of SOURCES) this.inc({ source }, value(source))
      },
    })
  }
  bySource(
    'tarballs',
    'Tarballs fetched for Verdaccio, per source',
    (source) => tarballs[source].artifacts,
  )
  bySource(
    'tarball_bytes',
    'Bytes of tarballs fetched for Verdaccio, per source',
    (source) => tarballs[source].bytes,
  )
  bySource(
    'integrity_failures',
    'Tarballs whose bytes do not match their metadata, per source',
    (source) => integrityFailures[source],
  )
}

function plainMetrics(registry: Registry, counters: Counters): void {
  const helps = {
    fallbacks: 'Sources that failed so that another one was asked',
    failures: 'Tarballs that no source delivered',
    unverifiable: 'Tarballs without a hash in their metadata, which were not stored',
    rescued: 'Tarballs from peers by the digest of a client, without metadata',
    seeded: 'Tarballs of the storage that the node copied',
    withdrawn: 'Artifacts that the node removed because Verdaccio did',
  } as const
  for (const [key, help] of Object.entries(helps) as [keyof typeof helps, string][]) {
    new Counter({
      name: `catalog_verdaccio_${key}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(counters[key])
      },
    })
  }
}

function nodeMetrics(registry: Registry, stats: () => NodeStats | undefined): void {
  const gauge = (name: string, help: string, value: (stats: NodeStats) => number): void => {
    new Gauge({
      name: `catalog_verdaccio_${name}`,
      help,
      registers: [registry],
      collect() {
        const now = stats()
        this.set(now === undefined ? 0 : value(now))
      },
    })
  }
  gauge('node_up', '1 while the node runs', () => 1)
  gauge('node_peers', 'Connected peers', (s) => s.peers)
  gauge('node_announced', 'Artifacts announced to peers', (s) => s.announced)
  gauge('node_store_artifacts', "Artifacts in the node's store", (s) => s.store.artifacts)
  gauge('node_store_bytes', "Bytes in the node's store", (s) => s.store.bytes)
  gauge('node_store_quota_bytes', "Bytes that the node's store may hold", (s) => s.store.quotaBytes)
  gauge('node_uploaded_bytes', 'Bytes uploaded to peers since the start', (s) => s.uploaded.bytes)
}
