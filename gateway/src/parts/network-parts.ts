/**
 * What belongs to packages of the network, put together: what their publishers say, replicas, and searches that find them; and build
 * results, which the same keys sign.
 */
import type { CatalogNode, Database, Logger } from '@catalog-p2p/core'
import { BuildResults } from '../build-results/build-results.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { Origins } from './origins.ts'
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'
import { openNetwork, type Network } from '../publishing/network.ts'
import { createShares, type Shares } from '../sharing/shares.ts'
import type { LocalIndex } from '../search/local-index.ts'
import { createSearch, type Search } from '../search/search.ts'

export interface NetworkPartsDependencies {
  readonly node: CatalogNode
  readonly log: Logger
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly origins: Origins
  readonly localIndex: LocalIndex
  readonly cache: PackumentCache
  readonly database: Database
  readonly isKnownPublic: (name: string) => boolean
}

export interface NetworkParts {
  readonly network: Network
  readonly search: Search
  readonly shares: Shares
  readonly builds: BuildResults
  close(): Promise<void>
}

export function openNetworkParts(
  deps: NetworkPartsDependencies,
  options: ParsedGatewayOptions,
): NetworkParts {
  const { node, log, env, origins, localIndex, cache, isKnownPublic, database } = deps
  const network = openNetwork({ node, log, ...origins, localIndex, env }, options)
  const search = createSearch(
    {
      ...{ node, index: localIndex, cache, registries: origins.registries, isKnownPublic, log },
      originOf: network.originOf,
      lookUp: (name, asking) => network.networkPackages.find(name, asking),
    },
    options,
  )
  const { buildResults: mode, buildResultsWaitMs: waitMs, privateSwarm: isShared } = options
  const builds = new BuildResults(
    { node, log, database, trust: origins.trust, ownKeys: network.ownKeys },
    { mode, waitMs, isShared, swarmRoot: options.swarmRoot },
  )
  return {
    ...{ network, search, builds, shares: createShares(database) },
    async close() {
      await Promise.all([search.close(), network.close(), builds.close()])
    },
  }
}
