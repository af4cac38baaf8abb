/**
 * Whether a client would ask a proxy for the gateway: npm, pnpm and Bun make no exception for this machine's own addresses.
 * Found by running them. Writes no exception: npm's `noproxy` replaces NO_PROXY instead of adding to it, so a list written
 * here would hide a later change of the user's. Pure, but for npm's files.
 */
import { clientProfile } from './client-files.ts'
import type { ClientContext, ClientName } from './client.ts'
import { userNpmConfig } from './npm/npm-files.ts'

export interface ProxyInTheWay {
  /** The variable, or the setting of npm's, that names the proxy; never the proxy, which may hold a password. */
  readonly by: string
  /** What to do about it. */
  readonly next: string
}

/** undefined: it reaches the gateway itself. */
export function proxyInTheWay(
  client: ClientName,
  context: ClientContext,
  gatewayUrl: string,
): ProxyInTheWay | undefined {
  const { env } = context
  const readsNpmConfig = client === 'npm' || client === 'pnpm'
  const config = readsNpmConfig ? userNpmConfig(context) : undefined
  const isSet = (value: string | undefined): boolean => !['', 'null', 'false'].includes(value ?? '')
  const setting = ['https-proxy', 'proxy'].find((key) => isSet(config?.get(key)))
  const by =
    setting === undefined
      ? nameIn(env, clientProfile(client).proxies)
      : `the setting ${setting} of npm's`
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

function nameIn(env: ClientContext['env'], wanted: readonly string[]): string | undefined {
  return wanted
    .map((one) => Object.keys(env).find((key) => key.toLowerCase() === one && Boolean(env[key])))
    .find((found) => found !== undefined)
}
