/**
 * The settings of a running daemon that a `catalog exec` may need to be different. The daemon writes them into daemon.json, and exec
 * compares those that it was given. Every option is one of them unless it stands in MAY_DIFFER, so a new one is never dropped in
 * silence. Never secrets.
 */
import { parseKeyId, parseNodeOptions } from '@catalog-p2p/core'
import { LIMIT_SETTINGS } from '../../config/limit-settings.ts'
import { splitTarget, type Config } from '../../config/resolve.ts'
import type { Setting } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'
import { parseGatewayOptions } from '../../options.ts'
import { swarmNames } from './configured-swarm.ts'
import { withoutUser } from '../../upstream/registries.ts'

export type DaemonSettings = Readonly<Record<string, unknown>>

/** What decides nothing of what a command gets, of what others see of it, or of what it may take from this machine's disk and line. */
export const MAY_DIFFER: ReadonlySet<string> = new Set([
  // Where it is: exec finds it there. The registry is compared by itself.
  ...['port', 'host', 'allowed-host', 'store', 'upstream', 'peers-only'],
  ...['network.port', 'carrier-port', 'max-connections'],
  // How much memory it takes, and how long it waits.
  ...['memory', 'metadata-memory', 'metadata-quota'],
  ...['chunk-size', 'compression', 'max-concurrent-transfers', 'build-results-wait'],
  ...LIMIT_SETTINGS.map(({ name }) => name),
  // What is printed is exec's own.
  ...['log-level', 'json'],
])

/** By the name of the setting, with defaults. */
export function daemonSettings(config: Config): DaemonSettings {
  const node = parseNodeOptions(config.node)
  const gateway = parseGatewayOptions(config.gateway)
  const compared = SETTINGS.filter(({ name }) => !MAY_DIFFER.has(name))
  const { privateScopes, publicRegistries, shareScopes, minReleaseAgeExclude, witnesses } = gateway
  return {
    ...Object.fromEntries(compared.map((each) => [each.name, valueOf(each, { node, gateway })])),
    // What is written in more ways than one.
    'private-scope': privateScopes.map((scope) => scope.toLowerCase()).sort(),
    'public-registry': publicRegistries.map(withoutUser).sort(),
    'min-release-age-exclude': minReleaseAgeExclude.toSorted(),
    swarm: swarmNames(config)[0] ?? '',
    'share-scope': shareScopes.map((scope) => scope.toLowerCase()).sort(),
    witness: witnesses.map(parseKeyId).sort(),
    bootstrap: node.network.bootstrap.toSorted(),
  }
}

/** An empty text where nothing is said. */
function valueOf(setting: Setting, parts: Readonly<Record<string, unknown>>): unknown {
  const { part, path } = splitTarget(setting)
  let place: unknown = parts[part]
  for (const step of path) place = (place as Record<string, unknown> | undefined)?.[step]
  return place ?? ''
}
