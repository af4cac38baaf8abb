/**
 * Connections to upstreams as npm's configuration wants them: proxies, certificate authorities, strict-ssl, client
 * certificates. Those have connections of their own, so that nothing else ever travels on one.
 */
import { readFileSync } from 'node:fs'
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici'
import { CatalogError } from '@catalog-p2p/core'
import { liesUnder, readClientCertificates } from './client-certificates.ts'
import type { Environment, NpmConfig } from './npmrc.ts'

export interface DispatcherOptions {
  readonly connectTimeoutMs: number
  readonly maxSockets: number
}

export interface ConnectionsOptions {
  /** Show the client certificate that is configured for this URL, if there is one. */
  readonly certificate: boolean
  /** On connections that only such requests travel on. */
  readonly apart: boolean
}

export interface Connections {
  to(url: URL, options: ConnectionsOptions): Dispatcher
  destroy(): Promise<void>
}

/** @throws CatalogError INVALID_OPTIONS when npm's `cafile`, `certfile` or `keyfile` cannot be read, or a proxy is no URL */
export function createDispatcher(
  config: NpmConfig,
  env: Environment,
  options: DispatcherOptions,
): Connections {
  const setting = (key: string, ...variables: string[]): string => {
    const value = config.get(key)
    if (value !== undefined && value !== 'null') return value === 'false' ? '' : value
    return variables.map((name) => env[name]).find((one) => one !== undefined) ?? ''
  }
  const httpProxy = proxyUrl(setting('proxy', 'http_proxy', 'HTTP_PROXY', 'PROXY', 'proxy'))
  const httpsProxy = proxyUrl(setting('https-proxy', 'https_proxy', 'HTTPS_PROXY')) || httpProxy
  const ca = certificateAuthorities(config)
  const tls = {
    rejectUnauthorized: config.get('strict-ssl') !== 'false',
    ...(ca && { ca }),
  }
  // Empty, not undefined: undici would look into process.env itself.
  const proxies = { httpProxy, httpsProxy, noProxy: setting('noproxy', 'no_proxy', 'NO_PROXY') }
  const hasProxy = httpProxy !== '' || httpsProxy !== ''
  const agent = (own: { cert?: string; key?: string } = {}): Dispatcher => {
    const connections = {
      connections: options.maxSockets,
      keepAliveTimeout: 20_000,
      keepAliveMaxTimeout: 60_000,
      pipelining: 1,
      allowH2: false,
      connect: { timeout: options.connectTimeoutMs, ...tls, ...own },
    }
    if (!hasProxy) return new Agent(connections)
    const requestTls = { ...tls, ...own }
    return new EnvHttpProxyAgent({ ...connections, ...proxies, requestTls, proxyTls: tls })
  }
  const both = (own?: { cert: string; key: string }) => ({ usual: agent(own), apart: agent(own) })
  const plain = both()
  const certified = readClientCertificates(config).map(({ prefix, cert, key }) => {
    return { prefix, ...both({ cert, key }) }
  })
  return {
    to(url, { certificate, apart }) {
      const own = certificate && certified.find(({ prefix }) => liesUnder(url, prefix))
      return (own || plain)[apart ? 'apart' : 'usual']
    },
    async destroy() {
      const all = [plain, ...certified].flatMap(({ usual, apart }) => [usual, apart])
      await Promise.all(all.map((one) => one.destroy()))
    },
  }
}

// As clients take it: without a scheme it is http. The value is not shown: it may hold a password.
function proxyUrl(given: string): string {
  if (given === '') return given
  const text = given.includes('://') ? given : `http://${given}`
  if (/^(https?|socks5?):\/\//i.test(text) && URL.canParse(text)) return text
  throw new CatalogError('INVALID_OPTIONS', 'the proxy is no URL', {
    hint: 'write it as http://host:port (npm config get proxy, https-proxy; HTTP_PROXY, HTTPS_PROXY)',
  })
}

// As in npm: what is configured replaces the built-in authorities. NODE_EXTRA_CA_CERTS adds to them, by Node's own means.
function certificateAuthorities(config: NpmConfig): string[] | undefined {
  const inline = config.all('ca').filter((text) => text !== '' && text !== 'null')
  if (inline.length > 0) return inline.map((text) => text.replaceAll('\\n', '\n'))
  const file = config.get('cafile')
  if (file === undefined || file === '' || file === 'null') return undefined
  try {
    return [readFileSync(file, 'utf8')]
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', `npm's cafile cannot be read: ${file}`, {
      cause: error,
      hint: 'correct cafile in .npmrc, or remove it',
    })
  }
}
