/** Packages of the network, and the keys of this user that publish them: what answers about them needs, put together. */
import type { CatalogNode } from '@catalog-p2p/core'
import type { NameOrigins } from '../trust/origin-of-name.ts'
import type { SignVersion } from './network-packument.ts'
import { createNetworkPackages, type NetworkPackages } from './network-packages.ts'
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
  },
  { keyFolderPath }: { readonly keyFolderPath?: string | undefined },
): Network {
  const { node, trust, gatewaySignatures, env } = deps
  const { originOf } = trust
  return {
    ...{ node, originOf, networkPackages: createNetworkPackages(node, originOf) },
    ownKeys: createOwnKeys(keyFolderPath, env['CATALOG_KEY_PASSPHRASE']),
    sign: gatewaySignatures?.sign,
  }
}
