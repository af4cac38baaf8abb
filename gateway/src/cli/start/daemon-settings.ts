/**
 * The settings of a running daemon that a `catalog exec` may need to be different: what stays private, what peers get, how far
 * lockfiles are trusted, which peers it connects to, how much disk it takes. The daemon writes them into daemon.json, and exec
 * compares. Never secrets.
 */
import { parseNodeOptions } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { parseGatewayOptions } from '../../options.ts'
import { withoutUser } from '../../upstream/registries.ts'

export type DaemonSettings = Readonly<Record<string, readonly string[] | string | boolean | number>>

/** By the name of the setting, with defaults. */
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
