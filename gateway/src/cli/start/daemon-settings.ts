/**
 * The settings that a user of a running daemon may want otherwise than it has them: what stays private, what is given to peers, what
 * a lockfile is believed, whom it meets, how much disk it takes. It writes them into daemon.json, and `catalog exec` compares. No
 * secrets.
 */
import { parseNodeOptions } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { parseGatewayOptions } from '../../options.ts'
import { withoutUser } from '../../upstream/registries.ts'

export type DaemonSettings = Readonly<Record<string, readonly string[] | string | boolean | number>>

/** By the name of the setting; as they are, whether given or not. */
export function daemonSettings(config: Config): DaemonSettings {
  const { network, store, transfer } = parseNodeOptions(config.node)
  const { privateScopes, publicRegistries, unboundDigests } = parseGatewayOptions(config.gateway)
  return {
    'private-scope': privateScopes.map((scope) => scope.toLowerCase()).sort(),
    'public-registry': publicRegistries.map(withoutUser).sort(),
    'unbound-digests': unboundDigests,
    bootstrap: network.bootstrap.toSorted(),
    seed: transfer.seed,
    quota: store.quotaBytes,
  }
}
