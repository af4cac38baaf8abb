/** The private swarm that the settings name: what the node and the gateway get of it, and what tells two swarms apart. */
import { dirname } from 'node:path'
import {
  swarmFileToText,
  swarmNamesOf,
  type Logger,
  type SwarmDependencies,
} from '@catalog-p2p/core'
import { createPrivateNames } from '../../artifacts/visibility/privacy.ts'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import { swarmFilePath } from '../../config/swarm-place.ts'
import { inviteFolder, openInviteBook } from '../../swarm/invite-book.ts'
import { openSwarm, readSwarm } from '../../swarm/swarm-source.ts'
import { CertificateBook } from '../../trust/certificate-book.ts'
import { certificatesPath, trustFilePath } from '../../trust/trust-file.ts'

export interface ConfiguredSwarm {
  /** With the peers and the scopes of the swarm. Without a swarm no private scope is shared. */
  readonly config: Config
  readonly swarm: SwarmDependencies | undefined
}

/** @throws CatalogError INVALID_OPTIONS */
export function withSwarm(config: Config, log: Logger): ConfiguredSwarm {
  const listed = config.gateway.shareScopes ?? []
  if (config.swarm === undefined) {
    if (listed.length > 0) {
      log.warn('swarm.nothing-shared', {
        scopes: listed,
        hint: 'private scopes are shared in a private swarm only (catalog swarm init)',
      })
    }
    return {
      config: { ...config, gateway: { ...config.gateway, shareScopes: [], privateSwarm: false } },
      swarm: undefined,
    }
  }
  const trustPath = config.gateway.trustPath ?? trustFilePath(defaultConfigFolder())
  const book = new CertificateBook(certificatesPath(dirname(trustPath)), { log })
  // A file that can't be read any more makes nobody a member again.
  let lastRevoked: readonly string[] = []
  const source = openSwarm(config.swarm, {
    log,
    revokedBy: (root) => (lastRevoked = book.of(root).revocations?.said.subjects ?? lastRevoked),
  })
  const { bootstrap, root } = source.file()
  const { network = {} } = config.node
  const peers = [...new Set([...(network.bootstrap ?? []), ...bootstrap])]
  const { shared, refused } = sharedScopes(config, source.file().shareScopes)
  warnOfRefused(refused, log)
  const folder = inviteFolder(
    config.swarm.kind === 'file' ? config.swarm.path : swarmFilePath(defaultConfigFolder()),
  )
  const invites = openInviteBook(folder, {
    // A certificate is one machine's.
    gift: () => Buffer.from(swarmFileToText({ ...source.file(), certificate: undefined })),
    onUsed: (invite) => log.info('swarm.joined', { invite }),
  })
  return {
    config: {
      ...config,
      node: { ...config.node, network: { ...network, bootstrap: peers } },
      gateway: {
        ...{ ...config.gateway, shareScopes: shared, privateSwarm: true },
        ...(root && { swarmRoot: root }),
      },
    },
    swarm: { state: () => source.state(), findInvite: (id) => invites.find(id) },
  }
}

/**
 * What this machine shares. The swarm's file may be somebody else's, who invited it: no line of it shares what is private on this
 * machine, unless its own settings list it too.
 * @param said the lines of the file
 */
export function sharedScopes(
  { gateway: { privateScopes = [], shareScopes: listed = [] } }: Pick<Config, 'gateway'>,
  said: readonly string[],
): { readonly shared: string[]; readonly refused: string[] } {
  const isPrivate = createPrivateNames({ privateScopes, shareScopes: listed })
  const refused = said.filter((scope) => isPrivate(scope))
  return {
    refused,
    shared: [...new Set([...listed, ...said.filter((scope) => !isPrivate(scope))])],
  }
}

function warnOfRefused(refused: readonly string[], log: Logger): void {
  if (refused.length > 0) {
    log.warn('swarm.not-shared', {
      scopes: refused,
      why: "the swarm's file shares them, and a --private-scope of this machine keeps them private",
      hint: 'to share them from this machine as well, list them with --share-scope',
    })
  }
}

/** Whether the swarm says where a member is. */
export function knowsMembers({ swarm }: Config): boolean {
  if (swarm === undefined) return false
  try {
    return readSwarm(swarm).bootstrap.length > 0
  } catch {
    return false // whoever uses it says what is wrong with it
  }
}

/** What two daemons must have the same of to be in one swarm, the newest first; none: in the open network. Nothing secret. */
export function swarmNames({ swarm }: Config): string[] {
  if (swarm === undefined) return []
  try {
    return swarmNamesOf(readSwarm(swarm))
  } catch {
    // Whoever uses it says what is wrong with it.
    return ['unknown']
  }
}
