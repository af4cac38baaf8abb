/**
 * npm's configuration for a gateway of `catalog exec`: that of the client's project and user, plus the environment's proxies,
 * which a gateway with a given configuration does not read. Without registries of scopes: clients that know them go there
 * directly, and Yarn, which does not read them here, must not be sent there.
 */
import {
  npmConfigFrom,
  readNpmConfig,
  type Environment,
  type NpmConfig,
} from '../../upstream/npmrc.ts'
import type { ClientFamily } from '../client-command.ts'
import { projectRoot } from '../project-root.ts'

const SCOPE = /^@[^:/]+:registry$/
/** How npm connects, and with which credentials. */
const CONNECTION = /^\/\/|^_|^(?:ca|cafile|cert|key|strict-ssl|proxy|https-proxy|noproxy)$/

const PROXIES: Readonly<Record<string, readonly string[]>> = {
  proxy: ['http_proxy', 'HTTP_PROXY', 'PROXY', 'proxy'],
  'https-proxy': ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'PROXY', 'proxy'],
  noproxy: ['no_proxy', 'NO_PROXY'],
}

export interface ConfigContext {
  readonly env: Environment
  readonly cwd: string
  readonly home: string
  readonly platform: NodeJS.Platform
  readonly execPath: string
}

/** npm's configuration as this client reads it; the project's files only if the client reads those. */
export function npmConfigOf(family: ClientFamily, context: ConfigContext): NpmConfig {
  const { cwd } = context
  const readsProject = family === 'npm' || family === 'pnpm' || family === 'yarn-classic'
  const folders = readsProject ? [...new Set([cwd, projectRoot(cwd)])] : []
  return readNpmConfig({ ...context, projectFolders: folders })
}

/** @param family `strict-ssl=false` counts only for the clients that read it from npm's files */
export function gatewayNpmConfig(
  npm: NpmConfig,
  family: ClientFamily,
  env: Environment,
): NpmConfig {
  const own = new Map<string, string>()
  for (const [key, names] of Object.entries(PROXIES)) {
    const value = names.map((name) => env[name]).find((one) => one !== undefined)
    if (npm.get(key) === undefined && value !== undefined) own.set(key, value)
  }
  if (family !== 'npm' && family !== 'yarn-classic') own.set('strict-ssl', 'true')
  const added = npmConfigFrom(Object.fromEntries(own))
  const layer = (key: string): NpmConfig => (own.has(key) ? added : npm)
  return {
    get: (key) => (SCOPE.test(key) ? undefined : layer(key).get(key)),
    all: (key) => (SCOPE.test(key) ? [] : layer(key).all(key)),
    keys: () => new Set([...own.keys(), ...npm.keys()].filter((key) => !SCOPE.test(key))),
  }
}

/**
 * Whether the project's files or this shell's variables configure the connection or credentials: a daemon, which was started
 * elsewhere, reads its user's files only.
 */
export function hasOwnConnection(npm: NpmConfig, context: ConfigContext): boolean {
  const files = /^npm_config_(?:userconfig|globalconfig|prefix)$/i
  const env = Object.fromEntries(
    Object.entries(context.env).filter(([name]) => !/^npm_config_/i.test(name) || files.test(name)),
  )
  const users = readNpmConfig({ ...context, env, projectFolders: [] })
  return [...npm.keys()].some(
    (key) => CONNECTION.test(key) && npm.all(key).join('\n') !== users.all(key).join('\n'),
  )
}
