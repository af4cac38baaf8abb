/**
 * Prometheus metrics of gateway, node and process, computed when they are scraped. Labels come from closed sets: never a package's
 * or a peer's name. metrics.test.ts keeps docs/metrics.md in step.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { CatalogNode, NetworkStats, NodeStats } from '@catalog-p2p/core'
import type { GatewayStats } from '../api.ts'
import type { Counters } from '../http/counters.ts'
import { ROUTE_NAMES, type RouteName } from '../http/route.ts'
import { countEach, countTotal, mapValues } from './derived-counters.ts'
import { processMetrics } from './process-metrics.ts'

export interface Metrics {
  readonly contentType: string
  render(): Promise<string>
  /** How long one request took. */
  observe(route: RouteName, ms: number): void
}

export function createMetrics(deps: {
  node: CatalogNode
  counters: Counters
  stats: () => GatewayStats
}): Metrics {
  const registry = new Registry()
  // Looked up once for all metrics of a scrape.
  let now: { readonly gateway: GatewayStats; readonly node: NodeStats } | undefined
  const current = () => (now ??= { gateway: deps.stats(), node: deps.node.stats() })
  gatewayMetrics(registry, { counters: deps.counters, stats: () => current().gateway })
  nodeMetrics(registry, () => current().node)
  processMetrics(registry)
  const durations = new Histogram({
    name: 'catalog_gateway_request_duration_seconds',
    help: 'How long HTTP requests took, by route',
    labelNames: ['route'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  })
  return {
    contentType: registry.contentType,
    render() {
      now = undefined
      return registry.metrics()
    },
    observe: (route, ms) => durations.observe({ route }, ms / 1000),
  }
}

interface GatewaySources {
  readonly counters: Counters
  readonly stats: () => GatewayStats
}

function gatewayMetrics(registry: Registry, { counters, stats }: GatewaySources): void {
  answerMetrics(registry, { counters, stats })
  buildMetrics(registry, stats)
  const counter = (name: string, help: string, value: (stats: GatewayStats) => number): void =>
    countTotal(registry, { name, help }, () => value(stats()))
  counter(
    'catalog_gateway_upstream_requests_total',
    'Requests sent to upstream',
    (s) => s.upstreamRequests,
  )
  counter(
    'catalog_gateway_upstream_failures_total',
    'Requests to upstream that failed on the network',
    (s) => s.upstreamFailures,
  )
  counter(
    'catalog_gateway_upstream_bytes_total',
    'Bytes received from upstream',
    (s) => s.upstreamBytes,
  )
  new Gauge({
    name: 'catalog_gateway_active_requests',
    help: 'HTTP requests being answered now',
    registers: [registry],
    collect() {
      this.set(stats().activeRequests)
    },
  })
}

/** What clients got, by its kind. */
function answerMetrics(registry: Registry, { counters, stats }: GatewaySources): void {
  const registers = [registry]
  new Counter({
    name: 'catalog_gateway_requests_total',
    help: 'HTTP requests answered, by route and class of status',
    labelNames: ['route', 'status'],
    registers,
    collect() {
      this.reset()
      for (const route of ROUTE_NAMES) {
        const { byStatus } = counters.routes[route]
        for (const [status, count] of Object.entries(byStatus)) {
          if (count > 0) this.inc({ route, status }, count)
        }
      }
    },
  })
  const { tarballs } = counters
  countEach(
    registry,
    {
      name: 'catalog_gateway_tarball_bytes_total',
      help: 'Bytes of tarballs sent to clients, by where they came from',
    },
    { label: 'source', counts: () => mapValues(tarballs, ({ bytes }) => bytes) },
  )
  countEach(
    registry,
    {
      name: 'catalog_gateway_tarballs_total',
      help: 'Tarballs sent to clients, by where they came from',
    },
    { label: 'source', counts: () => mapValues(tarballs, ({ artifacts }) => artifacts) },
  )
  countEach(
    registry,
    {
      name: 'catalog_gateway_packuments_total',
      help: 'Metadata answers: fresh from the cache, fetched from upstream, or stale because upstream failed',
    },
    { label: 'state', counts: () => ({ ...stats().packuments }) },
  )
  countEach(
    registry,
    {
      name: 'catalog_gateway_metadata_total',
      help: "Metadata answers by whose word they were: the registry's, current or kept or by way of a certified machine, or that of peers, verified by witnesses or not",
    },
    { label: 'source', counts: () => ({ ...stats().metadata.answers }) },
  )
}

function buildMetrics(registry: Registry, stats: () => GatewayStats): void {
  countEach(
    registry,
    {
      name: 'catalog_gateway_build_results_total',
      help: 'Results of build tasks: given from the store or from peers, missed, written here, offered by nobody who may',
    },
    {
      label: 'outcome',
      counts: () => {
        const { store, peer, missed, written, untrusted } = stats().builds
        return { store, peer, missed, written, untrusted }
      },
    },
  )
}

function nodeMetrics(registry: Registry, stats: () => NodeStats): void {
  const registers = [registry]
  const gauge = (name: string, help: string, value: (stats: NodeStats) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(stats()))
      },
    })
  }
  gauge('catalog_node_peers', 'Connected peers', (s) => s.peers)
  gauge('catalog_node_banned_peers', 'Peers banned now', (s) => s.bannedPeers)
  gauge('catalog_node_announced', 'Artifacts announced to peers', (s) => s.announced)
  gauge('catalog_node_active_downloads', 'Downloads under way', (s) => s.activeDownloads)
  networkMetrics(registry, () => stats().network)
  gauge('catalog_store_artifacts', 'Artifacts in the store', (s) => s.store.artifacts)
  gauge('catalog_store_bytes', 'Bytes of complete artifacts in the store', (s) => s.store.bytes)
  gauge('catalog_store_partial_bytes', 'Bytes of unfinished downloads', (s) => s.store.partialBytes)
  gauge('catalog_store_quota_bytes', 'Bytes that the store may hold', (s) => s.store.quotaBytes)
  gauge(
    'catalog_store_replica_bytes',
    'Bytes in the store that are kept for others',
    (s) => s.store.replicaBytes,
  )
  gauge(
    'catalog_store_replica_quota_bytes',
    'Bytes that those may take',
    (s) => s.store.replicaQuotaBytes,
  )
  gauge('catalog_store_writable', '1 while the store can write to disk', (s) =>
    Number(s.store.writable),
  )
  const counter = (name: string, help: string, value: (stats: NodeStats) => number): void =>
    countTotal(registry, { name, help }, () => value(stats()))
  counter(
    'catalog_node_misbehaviour_total',
    'Lies and protocol violations seen from peers',
    (s) => s.misbehaviour,
  )
  counter(
    'catalog_node_uploaded_artifacts_total',
    'Artifacts that peers got from this node',
    (s) => s.uploaded.artifacts,
  )
  counter(
    'catalog_node_uploaded_bytes_total',
    'Bytes that peers got from this node',
    (s) => s.uploaded.bytes,
  )
  new Counter({
    name: 'catalog_node_served_bytes_total',
    help: 'Bytes handed out by the node on this machine, by where they came from',
    labelNames: ['source'],
    registers,
    collect() {
      this.reset()
      for (const [source, { bytes }] of Object.entries(stats().served)) this.inc({ source }, bytes)
    },
  })
}

const REACHES: readonly NetworkStats['reachedFrom'][] = ['public', 'private', 'loopback', 'nowhere']

function networkMetrics(registry: Registry, stats: () => NetworkStats): void {
  const registers = [registry]
  const gauge = (name: string, help: string, value: (stats: NetworkStats) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(stats()))
      },
    })
  }
  new Gauge({
    name: 'catalog_node_reached',
    help: '1 for the place, farthest away, from where a peer has connected to us directly of late',
    labelNames: ['from'],
    registers,
    collect() {
      const { reachedFrom } = stats()
      for (const from of REACHES) this.set({ from }, Number(from === reachedFrom))
    },
  })
  gauge(
    'catalog_node_mapped_addresses',
    'Addresses that a router has opened for us',
    (s) => s.mapped.length,
  )
  gauge(
    'catalog_node_relayed_addresses',
    'Our addresses at the relays of others',
    (s) => s.relayed.length,
  )
  gauge(
    'catalog_node_relay_reservations',
    'Peers that have a place at our relay',
    (s) => s.relayReservations,
  )
  gauge('catalog_node_dht_server', '1 while this node answers DHT queries', (s) =>
    Number(s.dht === 'server'),
  )
  gauge(
    'catalog_node_announce_backlog',
    'Announcements that wait for their turn in the DHT',
    (s) => s.announceBacklog,
  )
  countTotal(
    registry,
    {
      name: 'catalog_node_announce_failures_total',
      help: 'Announcements in the DHT that failed',
    },
    () => stats().announceFailures,
  )
}
