/** What a command wants of the catalog that it asks: what was said, and what CI is no place for. Pure. */
import type { Config } from '../../config/resolve.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import { daemonSettings, type DaemonSettings } from '../start/daemon-settings.ts'

export function isCi({ CI }: Environment): boolean {
  return CI !== undefined && !['', '0', 'false'].includes(CI.toLowerCase())
}

/**
 * Whether the hash in a lockfile may decide alone. A pull request changes lockfiles, and in CI a registry that is away must not
 * make that enough.
 */
export function unboundDigestsFor(config: Config, env: Environment): 'allow' | 'refuse' {
  const { unboundDigests } = config.gateway
  return unboundDigests ?? (isCi(env) && !config.peersOnly ? 'refuse' : 'allow')
}

/** By the name of the setting; what may be either way is not among them. */
export function wantedSettings(config: Config, env: Environment): DaemonSettings {
  const unbound = unboundDigestsFor(config, env)
  const isWanted = (name: string): boolean =>
    config.given.has(name) || (name === 'unbound-digests' && unbound === 'refuse')
  const settings = { ...daemonSettings(config), 'unbound-digests': unbound }
  return Object.fromEntries(Object.entries(settings).filter(([name]) => isWanted(name)))
}
