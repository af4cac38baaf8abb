/** Packages of the network, and the keys of this user that publish them: what answers about them needs, put together. */
import type { CatalogNode, Logger, PublishedName } from '@catalog-p2p/core'
import { createPrivateNames } from '../artifacts/visibility/privacy.ts'
import type { LocalIndex } from '../search/local-index.ts'
import { createFindHeads, type FindHeads } from '../trust/find-heads.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import { trustsPublisherOf } from '../trust/trusts-publisher.ts'
import type { SignVersion } from './network-packument.ts'
import {
  createNetworkPackages,
  type NetworkPackage,
  type NetworkPackages,
} from './network-packages.ts'
import { networkSummary } from './network-summary.ts'
import { keepReplicas } from './keep-replicas.ts'
import { createOpenNames } from './open-names.ts'
import { askToKeep, createReplication, type Replication } from './replication.ts'
import { WebLogins } from './web-logins.ts'
import { createOwnKeys, type OwnKeys } from './own-keys.ts'

export interface Network {
  readonly node: CatalogNode
  readonly originOf: NameOrigins
  readonly networkPackages: NetworkPackages
  readonly ownKeys: OwnKeys
  readonly sign: SignVersion | undefined
  readonly replication: Replication
  readonly findHeads: FindHeads
  /** From now on searches find it, if its latest version is among these. */
  noteForSearch(found: Pick<NetworkPackage, 'name' | 'versions' | 'tags'>): void
  /** Names that never reach a peer: private scopes, but those that all members of the private swarm may have. */
  readonly isPrivate: (name: string) => boolean
  /** Whether anybody may see a name here. */
  readonly isOpenName: (name: string) => boolean
  /** Of clients that want to publish. */
  readonly logins: WebLogins
  /** Peers are asked, and answered, no more. */
  close(): Promise<void>
}

export function openNetwork(
  deps: {
    readonly node: CatalogNode
    readonly log: Logger
    readonly trust: { readonly originOf: NameOrigins }
    /** undefined: clients find no signature to check. */
    readonly gatewaySignatures: { readonly sign: SignVersion } | undefined
    readonly env: Readonly<NodeJS.ProcessEnv>
    /** What searches find. */
    readonly localIndex: Pick<LocalIndex, 'note'>
  },
  options: {
    readonly keyFolderPath?: string | undefined
    readonly replication: number
    /** It ends soon, so nobody should count on it. */
    readonly temporary: boolean
    readonly privateScopes: readonly string[]
    readonly shareScopes: readonly string[]
    readonly privateSwarm: boolean
  },
): Network {
  const { node, log, trust, gatewaySignatures, localIndex, env } = deps
  const { originOf } = trust
  const isPrivate = createPrivateNames(options)
  const findHeads = createFindHeads(node, isPrivate)
  const noteForSearch: Network['noteForSearch'] = (found) => {
    const noted = networkSummary(found)
    if (noted !== undefined) localIndex.note(noted.key, noted.summary)
  }
  const networkPackages = createNetworkPackages(
    { node, originOf, findHeads, isPrivate },
    noteForSearch,
  )
  const replication = createReplication(
    { node, ask: askToKeep({ node, log }), log, isShared: (name) => !isPrivate(name) },
    options,
  )
  const { publications } = node
  const trusts = trustsPublisherOf(trust)
  const isTrusted = (published: PublishedName): boolean =>
    !isPrivate(published.name) && trusts(published)
  const keeping = options.temporary ? undefined : keepReplicas({ node, isTrusted, log })
  return {
    ...{ node, originOf, networkPackages, replication, findHeads, isPrivate, noteForSearch },
    isOpenName: createOpenNames({ publications, isPrivate, isInSwarm: options.privateSwarm }),
    ownKeys: createOwnKeys(options.keyFolderPath, env['CATALOG_KEY_PASSPHRASE']),
    logins: new WebLogins(),
    sign: gatewaySignatures?.sign,
    async close() {
      await Promise.all([replication.stop(), keeping?.stop()])
    },
  }
}
