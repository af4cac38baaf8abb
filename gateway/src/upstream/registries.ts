/**
 * Which upstream a package comes from: the registry of its scope, else the default one; none where it comes from the network's
 * publishers (trust/origin-of-name.ts), whoever asks and whatever for. Notices when npm's configuration
 * leads back to this gateway (after `catalog use npm`) and then falls back instead of asking itself for ever; but never for a
 * scope whose registry is its place here (http/scope-mount.ts): which one is behind that is not known then.
 */
import { CatalogError, type Logger } from '@catalog-p2p/core'
import {
  configuredCredentials,
  createIdentify,
  hostsWithCredentials,
  type Credentials,
  type Identify,
} from './credentials.ts'
import { DEFAULT_REGISTRY, DEFAULT_REGISTRY_HOST, isYarnAlias } from './default-registry.ts'
import { certifiedUrls } from './client-certificates.ts'
import type { NpmConfig } from './npmrc.ts'
import { tarballPlace } from './tarball-place.ts'
import { scopeOf } from '../http/route.ts'
import { requireRegistry } from '../trust/origin-of-name.ts'
import { NOBODY_TRUSTED, type Trust } from '../trust/trust.ts'
import { isScopeMount, noRegistryOf } from '../http/scope-mount.ts'
import { redactUrl } from '../http/redact-url.ts'

export interface Registry {
  /** With a trailing slash, without credentials. */
  readonly url: string
  readonly origin: string
  /** npm's public registry. */
  readonly isPublicDefault: boolean
  /** It, or one that the user calls public: what has no scope there is for everybody. */
  readonly isPublic: boolean
}

export interface ScopedRegistry {
  /** With its `@`; null: of every package whose scope has none of its own. */
  readonly scope: string | null
  readonly url: string
  readonly isPublicDefault: boolean
}

export interface Registries {
  /** null: peers only. */
  readonly main: Registry | null
  /**
   * The upstream of a package; of calls about no package in particular when `name` is undefined.
   * @throws CatalogError NOT_FOUND as homeOf does
   */
  forName(name: string | undefined): Registry | null
  /** Every registry packages may belong to by configuration: the default one first, then those of scopes. */
  all(): readonly ScopedRegistry[]
  /**
   * Where a package belongs by configuration, though it may not be asked (peers only).
   * @throws CatalogError NOT_FOUND for a scope whose place at this gateway is all that the configuration names, and for a package
   *   that the network's publishers have
   */
  homeOf(name: string | undefined): Registry
  /** Whether `homeOf` has an answer: some registry has the package, as far as configuration and trust say. */
  hasHome(name: string): boolean
  /** Whether some packages belong elsewhere than to the default registry. */
  hasOthers(): boolean
  /** Whether a package belongs to that registry; false where its own is not known. */
  isHome(registry: Registry, name: string): boolean
  /** Whether there are credentials of our own at all. */
  hasCredentials(): boolean
  /** Our own credentials for a URL (a registry's, or a tarball's elsewhere). */
  credentialsFor(url: URL): Credentials | undefined
  /**
   * What goes to `url` when something of `registry` is asked for by who has `own` there. As npm does it: on the registry's host
   * the credentials of the path, else the registry's; never to another host, never in clear text where the registry has TLS.
   * https://github.com/npm/npm-registry-fetch lib/auth.js
   */
  credentialsAt(registry: Registry, url: URL, own: Credentials | undefined): Credentials | undefined
  /** Of a client's Authorization header. */
  readonly identify: Identify
  /** True when it is shown a client certificate of ours: what it gives then is not for everybody. */
  isCertified(registry: Registry): boolean
  /** True when `url` is on the registry's host (and port), and as safe on the way. */
  owns(registry: Registry, url: URL): boolean
  /** Where a tarball that its metadata lists is to be had. */
  tarballPlace(registry: Registry, listed: URL): URL
}

export interface RegistriesOptions {
  readonly upstream: string | null | undefined
  readonly previousRegistry: string | undefined
  /** The port we listen on; 0 when not known yet. */
  readonly port: number
  readonly addresses: readonly string[]
  /** URLs of registries that the user calls public. */
  readonly publicRegistries?: readonly string[]
}

export interface RegistriesDependencies {
  readonly config: NpmConfig
  readonly log: Logger
  readonly identify?: Identify
  /** undefined: everything is a registry's. */
  readonly trust?: Pick<Trust, 'originOf' | 'entries'>
}

/** What stands for a package of a scope where only the scope is known. */
export function nameIn(scope: string | undefined): string | undefined {
  return scope === undefined ? undefined : `${scope}/-`
}

/** @throws CatalogError INVALID_OPTIONS when `upstream` is this gateway itself */
export function createRegistries(
  deps: RegistriesDependencies,
  options: RegistriesOptions,
): Registries {
  const { identify = createIdentify(), trust = NOBODY_TRUSTED } = deps
  const isSelf = selfTest(options)
  const peersOnly = options.upstream === null
  const fromUrl = new Map<string, Credentials>()
  const { publicRegistries = [] } = options
  const register = (url: string): Registry =>
    toRegistry(url, { fromUrl, publicRegistries, identify })
  const main = register(chooseMain(deps, options, isSelf))
  const scopes = new Map<string, Registry>()
  const homeless = new Set<string>()
  for (const key of deps.config.keys()) {
    const scope = /^(@[^:/]+):registry$/.exec(key)?.[1]
    const url = scope === undefined ? undefined : deps.config.get(key)
    if (scope === undefined || url === undefined || !isHttpUrl(url)) continue
    const at = new URL(url)
    if (!isSelf(at)) scopes.set(scope.toLowerCase(), register(url))
    else if (isScopeMount(at)) homeless.add(scope.toLowerCase())
    const fallback = isScopeMount(at) ? null : redactUrl(main.url)
    if (isSelf(at)) deps.log.warn('upstream.loop', { scope, fallback })
  }
  const origins = new Set([main, ...scopes.values()].map((registry) => registry.origin))
  const hosts = memoHosts(deps.config)
  const isCertified = certifiedRegistries(deps.config)
  const homeOf = (name: string | undefined): Registry => {
    if (name === undefined) return main
    requireRegistry(name, trust.originOf)
    if (scopes.size + homeless.size === 0) return main
    const scope = scopeOf(name)?.toLowerCase()
    if (scope === undefined) return main
    if (homeless.has(scope)) throw noRegistryOf(scope)
    return scopes.get(scope) ?? main
  }
  const hasHome = (name: string): boolean =>
    (homeless.size === 0 || !homeless.has(scopeOf(name)?.toLowerCase() ?? '')) &&
    trust.originOf(name).kind === 'registry'
  const credentialsFor = (url: URL): Credentials | undefined => {
    const owner = [...fromUrl].find(([base]) => url.href.startsWith(base))
    if (owner !== undefined || !hosts().has(url.host)) return owner?.[1]
    const found = configuredCredentials(deps.config, url, origins)
    return found && identify(found.authorization)
  }
  const owns = (registry: Registry, url: URL): boolean => {
    const home = new URL(registry.url)
    return url.host === home.host && (url.protocol === home.protocol || url.protocol === 'https:')
  }
  return {
    main: peersOnly ? null : main,
    forName(name) {
      if (!peersOnly) return homeOf(name)
      if (name !== undefined) requireRegistry(name, trust.originOf)
      return null
    },
    homeOf,
    hasOthers: () => scopes.size + homeless.size + trust.entries().length > 0,
    hasHome,
    isHome: (registry, name) => hasHome(name) && homeOf(name).url === registry.url,
    all: () =>
      [[null, main] as const, ...scopes].map(([scope, { url, isPublicDefault }]) => {
        return { scope, url, isPublicDefault }
      }),
    identify,
    hasCredentials: () => fromUrl.size > 0 || hosts().size > 0,
    credentialsFor,
    credentialsAt(registry, url, own) {
      if (own === undefined && fromUrl.size + hosts().size === 0) return undefined
      if (!owns(registry, url)) return undefined
      const there = credentialsFor(url)
      const home = credentialsFor(new URL(registry.url))
      return there !== undefined && there.fingerprint !== home?.fingerprint ? there : own
    },
    isCertified,
    owns,
    tarballPlace: (registry, listed) =>
      tarballPlace(listed, registry, deps.config.get('replace-registry-host')),
  }
}

/** Asked several times for each artifact, about a few registries. */
function certifiedRegistries(config: NpmConfig): (registry: Registry) => boolean {
  const isUnder = certifiedUrls(config)
  const known = new WeakMap<Registry, boolean>()
  return (registry) => {
    const found = known.get(registry) ?? isUnder(new URL(registry.url))
    known.set(registry, found)
    return found
  }
}

/** Found out anew when the files say otherwise. */
function memoHosts(config: NpmConfig): () => ReadonlySet<string> {
  let known: { revision: number; hosts: ReadonlySet<string> } | undefined
  return () => {
    const revision = config.revision?.() ?? 0
    if (known?.revision !== revision) known = { revision, hosts: hostsWithCredentials(config) }
    return known.hosts
  }
}

function chooseMain(
  deps: { config: NpmConfig; log: Logger },
  options: RegistriesOptions,
  isSelf: (url: URL) => boolean,
): string {
  if (options.upstream !== null && options.upstream !== undefined) {
    if (!isSelf(new URL(options.upstream))) return options.upstream
    throw new CatalogError('INVALID_OPTIONS', 'upstream: is this gateway itself', {
      hint: 'name the registry behind the gateway, or use --peers-only',
    })
  }
  const text = deps.config.get('registry')
  const configured = text !== undefined && isHttpUrl(text) ? text : undefined
  if (configured !== undefined && !isSelf(new URL(configured))) return configured
  const previous = options.previousRegistry
  const useful = previous !== undefined && !isSelf(new URL(previous))
  const fallback = useful ? previous : DEFAULT_REGISTRY
  const shown = { fallback: redactUrl(fallback) }
  if (configured !== undefined) {
    deps.log.info('upstream.loop', { reason: "npm's registry is this gateway", ...shown })
  } else if (useful) {
    const reason = 'npm names none; a client had it before "catalog use"'
    deps.log.info('upstream.before-use', { reason, ...shown })
  }
  return fallback
}

interface RegisterDependencies {
  readonly fromUrl: Map<string, Credentials>
  readonly publicRegistries: readonly string[]
  readonly identify: Identify
}

/** A URL may carry its own user:password@; they move into the credentials of everything under it. */
function toRegistry(
  text: string,
  { fromUrl, publicRegistries, identify }: RegisterDependencies,
): Registry {
  const url = new URL(text)
  const { username, password } = url
  const base = withoutUser(text)
  if (username !== '') {
    const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    fromUrl.set(base, identify(`Basic ${Buffer.from(plain).toString('base64')}`))
  }
  const isPublicDefault = url.host === DEFAULT_REGISTRY_HOST
  const isPublic = isPublicUrl(url, publicRegistries)
  return { url: base, origin: url.origin, isPublicDefault, isPublic }
}

/** Whether it is npm's own registry, or one that the user calls public, or lies beneath one. */
export function isPublicUrl(url: URL, publicRegistries: readonly string[]): boolean {
  // Without TLS anybody on the way may speak in its name.
  const isNpms = url.host === DEFAULT_REGISTRY_HOST && url.protocol === 'https:'
  const base = withoutUser(url.href)
  return (
    isNpms ||
    isYarnAlias(url) ||
    publicRegistries.some((each) => base.startsWith(withoutUser(each)))
  )
}

/** As registries are compared: with a slash at its end. */
export function withoutUser(text: string): string {
  const url = new URL(text)
  return `${url.origin}${url.pathname}${url.pathname.endsWith('/') ? '' : '/'}`
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

function selfTest(options: RegistriesOptions): (url: URL) => boolean {
  const hosts = new Set(['localhost', '127.0.0.1', '[::1]', '0.0.0.0', '[::]'])
  for (const address of options.addresses) {
    hosts.add(address.includes(':') ? `[${address}]` : address.toLowerCase())
  }
  return (url) => {
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
    return port === options.port && hosts.has(url.hostname)
  }
}
