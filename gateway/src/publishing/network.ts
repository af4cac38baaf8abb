/** Packages of the network, and the keys of this user that publish them: what answers about them needs, put together. */
import type { CatalogNode } from '@catalog-p2p/core'
import type { LocalIndex } from '../search/local-index.ts'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import type { SignVersion } from './network-packument.ts'
import { createNetworkPackages, type NetworkPackages } from './network-packages.ts'
import { networkSummary } from './network-summary.ts'
import { createOwnKeys, type OwnKeys } from './own-keys.ts'

export interface Network {
  readonly node: CatalogNode
  readonly originOf: NameOrigins
  readonly networkPackages: NetworkPackages
  readonly ownKeys: OwnKeys
  readonly sign: SignVersion | undefined
}

export function openNetwork(
  deps: {
    readonly node: CatalogNode
    readonly trust: { readonly originOf: NameOrigins }
    /** undefined: clients find no signature to check. */
    readonly gatewaySignatures: { readonly sign: SignVersion } | undefined
    readonly env: Readonly<NodeJS.ProcessEnv>
    /** What searches find. */
    readonly localIndex: Pick<LocalIndex, 'note'>
  },
  { keyFolderPath }: { readonly keyFolderPath?: string | undefined },
): Network {
  const { node, trust, gatewaySignatures, localIndex, env } = deps
  const { originOf } = trust
  const networkPackages = createNetworkPackages(node, originOf, (found) => {
    const noted = networkSummary(found)
    if (noted !== undefined) localIndex.note(noted.key, noted.summary)
  })
  return {
    ...{ node, originOf, networkPackages },
    ownKeys: createOwnKeys(keyFolderPath, env['CATALOG_KEY_PASSPHRASE']),
    sign: gatewaySignatures?.sign,
  }
}
