/**
 * Whether a client would ask a proxy for the gateway: npm, pnpm and Bun make no exception for this machine's own addresses.
 * Found by running them. Yarn 4 heeds no variable of that kind. Nothing is written for it: npm's `noproxy` replaces NO_PROXY
 * instead of adding to it, so a list written here would hide what the user's says tomorrow. Pure, but for npm's files.
 */
import { readNpmConfig } from '../../upstream/npmrc.ts'
import type { ClientName, ClientPlace } from './client-files.ts'

export interface ProxyInTheWay {
  /** The variable, or the setting of npm's, that names the proxy; never the proxy, which may hold a password. */
  readonly by: string
  /** What to do about it. */
  readonly next: string
}

/** For plain http; npm and pnpm take the proxy for https first. */
const VARIABLES: Readonly<Record<ClientName, readonly string[]>> = {
  npm: ['https_proxy', 'http_proxy', 'proxy'],
  pnpm: ['https_proxy', 'http_proxy', 'proxy'],
  bun: ['http_proxy'],
  yarn: [],
}

/** undefined: it reaches the gateway itself. */
export function proxyInTheWay(
  client: ClientName,
  place: ClientPlace,
  gatewayUrl: string,
): ProxyInTheWay | undefined {
  const { env, home } = place
  const readsNpmConfig = client === 'npm' || client === 'pnpm'
  const config = readsNpmConfig
    ? readNpmConfig({ ...place, cwd: home, execPath: process.execPath, projectFolders: [] })
    : undefined
  const isSet = (value: string | undefined): boolean => !['', 'null', 'false'].includes(value ?? '')
  const setting = ['https-proxy', 'proxy'].find((key) => isSet(config?.get(key)))
  const by =
    setting === undefined ? nameIn(env, VARIABLES[client]) : `the setting ${setting} of npm's`
  if (by === undefined) return undefined
  const { hostname } = new URL(gatewayUrl)
  const own = config?.get('noproxy') ?? ''
  const around = own === '' ? (env[nameIn(env, ['no_proxy']) ?? ''] ?? '') : own
  const exceptions = around.split(/[\s,]+/).filter((one) => one !== '')
  if (exceptions.includes(hostname) || (client === 'bun' && exceptions.includes('*'))) {
    return undefined
  }
  const wanted = [...exceptions, hostname].join(',')
  const next = own === '' ? `set NO_PROXY=${wanted}` : `npm config set noproxy "${wanted}"`
  return { by, next }
}

function nameIn(env: ClientPlace['env'], wanted: readonly string[]): string | undefined {
  return wanted
    .map((one) => Object.keys(env).find((key) => key.toLowerCase() === one && Boolean(env[key])))
    .find((found) => found !== undefined)
}
