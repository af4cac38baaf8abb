/**
 * What the gateway offers its users: the CLI, tests, scripts. Types only; gateway.ts builds it.
 */
import type { RequestListener } from 'node:http'
import type { Application } from 'express'
import type { ArtifactSource, CatalogNode, Logger } from '@catalog-p2p/core'
import type { BuildResultsStats } from './build-results/build-results.ts'
import type { MetadataSources } from './packuments/answer-source.ts'
import type { HintCounts } from './hints/hints.ts'
import type { NpmConfig } from './upstream/npmrc.ts'
import type { ReplicationStats } from './publishing/replication.ts'
import type { RouteName } from './http/route.ts'
import type { Listener } from './http/server.ts'

export interface GatewayDependencies {
  /** The caller starts and closes it. */
  readonly node: CatalogNode
  readonly log: Logger
  /** npm's configuration; read from this user's files and environment at start() when absent. */
  readonly npmConfig?: NpmConfig
  /** In place of sockets of its own. */
  readonly listen?: (handle: RequestListener) => Listener
}

export interface GatewayStats {
  /** Requests answered, by route, this run. */
  readonly requests: Readonly<Record<RouteName, number>>
  /** Artifacts and bytes of tarballs sent to clients, by where they came from, this run. */
  readonly tarballs: Readonly<Record<ArtifactSource, { artifacts: number; bytes: number }>>
  /** Metadata answers: from the cache without asking, after asking, and old ones because upstream failed. */
  readonly packuments: { readonly fresh: number; readonly fetched: number; readonly stale: number }
  /** Whose word those answers were, and the age of the oldest. */
  readonly metadata: MetadataSources
  /** What clients said early, and what was fetched ahead of them because of it, this run. */
  readonly hints: HintCounts
  /** HTTP requests sent to upstream, this run (redirects and retries count). */
  readonly upstreamRequests: number
  readonly upstreamFailures: number
  /** Bytes of tarballs and metadata received from upstream, as they came over the wire. */
  readonly upstreamBytes: number
  readonly activeRequests: number
  /** Packages that were published here to the network, and whether enough peers keep them. */
  readonly replication: ReplicationStats
  /** Results of build tasks. */
  readonly builds: BuildResultsStats
  /** Credentials are never part of it; null: peers only. */
  readonly upstream: string | null
  /** It ends with the command that it was started for. */
  readonly temporary: boolean
  /** It believes nothing that its store held before. */
  readonly frozenTrust: boolean
}

export interface Gateway {
  /**
   * Opens the cache and listens.
   * @throws CatalogError PORT_IN_USE, STORE_LOCKED, INVALID_OPTIONS
   */
  start(): Promise<{ port: number; urls: string[] }>
  /** Stops accepting, lets answers under way finish (bounded), closes the cache; idempotent. Does not close the node. */
  stop(): Promise<void>
  stats(): GatewayStats
  /** The Express application, for mounting elsewhere; answers 503 before start(). */
  readonly app: Application
}
