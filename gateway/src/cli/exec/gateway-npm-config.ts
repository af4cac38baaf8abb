/**
 * npm's configuration for a gateway of `catalog exec`: as the project has it, with what the client's own files say about
 * credentials and connections, and with the proxies of the environment, which a gateway with a configuration of its own does
 * not look for. Without registries of scopes: clients that have some go there directly, and Yarn, which does not read them
 * here, must not be sent there.
 */
import type { Environment, NpmConfig } from '../../upstream/npmrc.ts'

const SCOPE = /^@[^:/]+:registry$/

const PROXIES: Readonly<Record<string, readonly string[]>> = {
  proxy: ['http_proxy', 'HTTP_PROXY', 'PROXY', 'proxy'],
  'https-proxy': ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'PROXY', 'proxy'],
  noproxy: ['no_proxy', 'NO_PROXY'],
}

/** `clients`: what counts before npm's, in npm's spelling. */
export function gatewayNpmConfig(
  npm: NpmConfig,
  clients: Readonly<Record<string, string>>,
  env: Environment,
): NpmConfig {
  const own = new Map(Object.entries(clients))
  for (const [key, names] of Object.entries(PROXIES)) {
    const value = names.map((name) => env[name]).find((one) => one !== undefined)
    if (!own.has(key) && npm.get(key) === undefined && value !== undefined) own.set(key, value)
  }
  return {
    get: (key) => (SCOPE.test(key) ? undefined : (own.get(key) ?? npm.get(key))),
    all: (key) => {
      const value = own.get(key)
      if (SCOPE.test(key)) return []
      return value === undefined ? npm.all(key) : [value]
    },
    keys: () => new Set([...own.keys(), ...npm.keys()].filter((key) => !SCOPE.test(key))),
  }
}
