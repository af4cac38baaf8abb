/**
 * The plugin's settings in .yarnrc.yml, and what Yarn's own say of registries. No digit in a name: Yarn would not find the
 * setting again from its environment variable. The only place with defaults.
 */
import {
  SettingsType,
  type Configuration,
  type ConfigurationDefinitionMap,
  type Ident,
} from '@yarnpkg/core'
import { npath, type PortablePath } from '@yarnpkg/fslib'
import { npmConfigUtils } from '@yarnpkg/plugin-npm'
import { parseUrl, plainUrl } from './parse-url.ts'
import type { YarnRegistries } from './request-route.ts'

declare module '@yarnpkg/core' {
  interface ConfigurationValueMap {
    catalogEnabled: boolean
    catalogDaemonUrl: string
    catalogStartDaemon: boolean
    catalogCommand: PortablePath | null
    catalogHints: boolean
    npmScopes: Map<string, unknown>
  }
}

export const settingDefinitions: Partial<ConfigurationDefinitionMap> = {
  catalogEnabled: {
    description: 'Get packages through the Catalog P2P daemon of this machine',
    type: SettingsType.BOOLEAN,
    default: true,
  },
  catalogDaemonUrl: {
    description: 'Where the Catalog P2P daemon answers; must be this machine',
    type: SettingsType.STRING,
    default: 'http://127.0.0.1:4874',
  },
  catalogStartDaemon: {
    description: 'Start the daemon in the background when it does not run and `catalog` is there',
    type: SettingsType.BOOLEAN,
    default: true,
  },
  catalogCommand: {
    description: 'The `catalog` program; without it, the one on PATH',
    type: SettingsType.ABSOLUTE_PATH,
    default: null,
  },
  catalogHints: {
    description:
      'Tell the daemon before an install what yarn.lock holds, so that it can fetch ahead',
    type: SettingsType.BOOLEAN,
    default: true,
  },
}

export interface DaemonSettings {
  /** With a trailing slash; undefined: the daemon is not to be used. */
  readonly url: URL | undefined
  /** Why it is not used though it is enabled. */
  readonly problem: string | undefined
  readonly start: boolean
  /** A native path. */
  readonly command: string | undefined
}

export function readDaemonSettings(configuration: Configuration): DaemonSettings {
  const text = configuration.get('catalogDaemonUrl')
  const command = configuration.get('catalogCommand')
  const enabled = configuration.get('catalogEnabled')
  const problem = enabled ? urlProblem(text) : undefined
  return {
    url: enabled && problem === undefined ? new URL(text.replace(/\/*$/, '/')) : undefined,
    problem,
    start: configuration.get('catalogStartDaemon'),
    command: command === null ? undefined : npath.fromPortablePath(command),
  }
}

// What it says of a package is believed like a registry's word, and it travels unencrypted: so it must not leave the machine.
function urlProblem(text: string): string | undefined {
  const url = parseUrl(text)
  const isLocal = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url?.hostname ?? '')
  if (url?.protocol === 'http:' && isLocal && url.search === '') return undefined
  return `catalogDaemonUrl is ${JSON.stringify(text)}, but must be an http address of this machine, like http://127.0.0.1:4874`
}

export function yarnRegistries(configuration: Configuration): YarnRegistries {
  const of = (scope: string | null): string => {
    const url = npmConfigUtils.getScopeRegistry(scope, { configuration })
    return plainUrl(url) ?? url
  }
  const scopes = [null, ...configuration.get('npmScopes').keys(), 'jsr'] // jsr has one unasked
  return {
    urls: [...new Set(scopes.map(of))],
    of: (name) => of(name.startsWith('@') ? name.slice(1, name.indexOf('/')) : null),
  }
}

/** Whether Yarn would send credentials when it asks `registry` for this package. */
export function sendsCredentials(
  configuration: Configuration,
  { ident, registry }: { ident: Ident; registry: string },
): boolean {
  if (hasUrlCredentials(configuration, ident)) return true
  const found = npmConfigUtils.getAuthConfiguration(registry, { configuration, ident })
  const get = (name: string): unknown => (found as Map<string, unknown>).get(name)
  if (ident.scope === null && get('npmAlwaysAuth') !== true) return false
  // A plugin may have some that nobody sees before they are sent.
  const others = [...configuration.plugins.values()].some(
    ({ hooks }) => (hooks as { getNpmAuthenticationHeader?: unknown })?.getNpmAuthenticationHeader,
  )
  return others || Boolean(get('npmAuthToken')) || Boolean(get('npmAuthIdent'))
}

/** Whether the URL of the package's registry has a name or password in it. */
export function hasUrlCredentials(configuration: Configuration, { scope }: Ident): boolean {
  const url = parseUrl(npmConfigUtils.getScopeRegistry(scope, { configuration }))
  return url !== undefined && url.username + url.password !== ''
}

/** What Yarn calls npm's public registry when nobody configures another. */
export function yarnDefaultRegistry(configuration: Configuration): string {
  const definition = configuration.settings.get('npmRegistryServer')
  const url: unknown = definition && 'default' in definition ? definition.default : undefined
  return typeof url === 'string' ? url : ''
}
