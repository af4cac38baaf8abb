/**
 * The settings of a running daemon that a `catalog exec` may need to be different: what stays private, what peers get, how far
 * lockfiles are trusted, which versions are denied, which peers it connects to, how much disk it takes. The daemon writes them into daemon.json, and exec
 * compares. Never secrets.
 */
import { parseKeyId, parseNodeOptions } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { parseGatewayOptions } from '../../options.ts'
import { swarmNames } from './configured-swarm.ts'
import { withoutUser } from '../../upstream/registries.ts'

export type DaemonSettings = Readonly<Record<string, readonly string[] | string | boolean | number>>

/** By the name of the setting, with defaults. */
export function daemonSettings(config: Config): DaemonSettings {
  const { network, store, transfer } = parseNodeOptions(config.node)
  const gateway = parseGatewayOptions(config.gateway)
  const { privateScopes, publicRegistries, unboundDigests } = gateway
  return {
    'private-scope': privateScopes.map((scope) => scope.toLowerCase()).sort(),
    'public-registry': publicRegistries.map(withoutUser).sort(),
    'unbound-digests': unboundDigests,
    'min-release-age': gateway.minReleaseAgeMs,
    'min-release-age-exclude': gateway.minReleaseAgeExclude.toSorted(),
    'malware-list': gateway.malwareList ?? '',
    'trust-downgrade': gateway.trustDowngrade,
    swarm: swarmNames(config)[0] ?? '',
    'share-scope': gateway.shareScopes.map((scope) => scope.toLowerCase()).sort(),
    takedown: gateway.takedown,
    'build-results': gateway.buildResults,
    witness: gateway.witnesses.map(parseKeyId).sort(),
    'witness-quorum': gateway.witnessQuorum ?? 0,
    bootstrap: network.bootstrap.toSorted(),
    seed: transfer.seed,
    quota: store.quotaBytes,
  }
}
