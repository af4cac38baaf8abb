/** The settings that a command requires of a catalog: those that were given, and stricter defaults in CI. Pure. */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../../config/resolve.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import { daemonSettings, type DaemonSettings } from '../start/daemon-settings.ts'

export function isCi({ CI }: Environment): boolean {
  return isYes(CI)
}

/** Of a variable. */
export function isYes(text: string | undefined): boolean {
  return text !== undefined && !['', '0', 'false'].includes(text.toLowerCase())
}

/**
 * Whether the hash in a lockfile is enough on its own. Not in CI: pull requests change lockfiles, and an unreachable registry
 * must not make such a hash count.
 */
export function unboundDigestsFor(config: Config, env: Environment): 'allow' | 'refuse' {
  const { unboundDigests } = config.gateway
  return unboundDigests ?? (isCi(env) && !config.peersOnly ? 'refuse' : 'allow')
}

/** What a running catalog has otherwise than this command requires; its settings are those of daemon.json. By name, with what is required. */
export function unkeptSettings(
  config: Config,
  env: Environment,
  theirs: DaemonSettings | undefined,
): [name: string, value: unknown][] {
  return Object.entries(wantedSettings(config, env)).filter(
    ([name, value]) => !isDeepStrictEqual(value, theirs?.[name]),
  )
}

/** By the name of the setting; without the settings that may have any value. */
function wantedSettings(config: Config, env: Environment): DaemonSettings {
  const unbound = unboundDigestsFor(config, env)
  const isWanted = (name: string): boolean =>
    config.given.has(name) ||
    (name === 'unbound-digests' && unbound === 'refuse') ||
    (name === 'swarm' && config.swarm !== undefined)
  const settings = { ...daemonSettings(config), 'unbound-digests': unbound }
  return Object.fromEntries(Object.entries(settings).filter(([name]) => isWanted(name)))
}
