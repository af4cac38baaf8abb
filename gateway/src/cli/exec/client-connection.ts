/**
 * How each package manager connects to its registry where that is said in files and variables of its own and not in npm's:
 * authorities, strict-ssl, proxies, in npm's spelling, for the gateway that stands in for it. What has no equal there is an
 * obstacle: the client then connects by itself, as only it can. Reads, never writes; says no value, a proxy may hold a password.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { getCACertificates, rootCertificates } from 'node:tls'
import { parseDocument } from 'yaml'
import { expandEnvironment, type NpmConfig } from '../../upstream/npmrc.ts'
import { clientFiles } from '../clients/client-files.ts'
import type { ClientFamily } from './client-family.ts'
import { npmConfigAt, type ExecPlace } from './client-registry.ts'
import { foldersUpwards, pnpmRoots, readText } from './project-files.ts'
import type { Obstacle } from './registry-replacement.ts'
import { readYarnConnection } from './yarnrc-files.ts'

export interface ClientConnection {
  /** On top of npm's configuration; '' takes away what is there. */
  readonly settings: Readonly<Record<string, string>>
  /** Why no gateway can connect as this client does. */
  readonly obstacle?: string
}

const AS_NPM: ClientConnection = { settings: {} }

/** What they are compared by: the rest is for other upstreams, or other hosts. */
const COMPARED = ['strict-ssl', 'ca', 'cafile', 'https-proxy'] as const

/** To `upstream`; npm's own configuration counts besides. */
export function connectionOf(
  family: ClientFamily,
  place: ExecPlace,
  upstream: string,
): ClientConnection {
  const { protocol, hostname } = new URL(upstream)
  // Without TLS there is nothing but proxies for http, which client-registry.ts and npm's configuration know.
  if (protocol !== 'https:') return AS_NPM
  switch (family) {
    case 'npm':
    case 'yarn-classic':
      return AS_NPM
    case 'pnpm':
      return pnpmConnection(place, upstream)
    case 'yarn-berry':
      return yarnConnection(place, hostname)
    case 'bun':
      return bunConnection(place)
    case 'deno':
      return denoConnection(place)
  }
}

/** Why `family` can't have the gateway whose connections are made for the command's client; undefined: it can. */
export function connectionObstacle(
  family: ClientFamily,
  { place, wish, upstream }: ConnectionQuestion,
): Obstacle | undefined {
  const own = connectionOf(family, place, upstream)
  if (own.obstacle !== undefined) return { reason: own.obstacle }
  if (family === wish.family)
    return isToldOtherwise(wish.command) ? { reason: ON_COMMAND_LINE } : undefined
  const main = wish.family ?? 'npm'
  const others = connectionOf(main, place, upstream)
  const key = connectionKey(own.settings, npmConfigAt(place, family))
  const isSame = key === connectionKey(others.settings, npmConfigAt(place, main))
  return isSame ? undefined : { reason: OWN_TLS }
}

export interface ConnectionQuestion {
  readonly place: ExecPlace
  readonly wish: { readonly command: readonly string[]; readonly family: ClientFamily | undefined }
  readonly upstream: string
}

const OWN_TLS = 'its TLS and proxy settings are its own'
const ON_COMMAND_LINE = 'its TLS or proxy settings are on the command line'
const OPTION =
  /^--(?:ca|cafile|cert|key|(?:no-)?strict-ssl|(?:https?-)?proxy|no-?proxy|unsafely-ignore-certificate-errors)(?:=|$)/

/** What is behind `--` is for another program. */
function isToldOtherwise(command: readonly string[]): boolean {
  const end = command.indexOf('--')
  return command.slice(0, end === -1 ? undefined : end).some((word) => OPTION.test(word))
}

/** The same for what connects in the same way; holds no secret in the clear only as long as nobody prints it. */
export function connectionKey(settings: ClientConnection['settings'], npm: NpmConfig): string {
  const values = COMPARED.map((key) => settings[key] ?? npm.all(key).join('\n'))
  const [strict, ca = '', cafile = '', proxy] = values.map((value) =>
    value === 'null' ? '' : value,
  )
  return JSON.stringify([strict === 'false', ca, ca === '' ? cafile : '', proxy])
}

/** pnpm 11 and newer: variables, then the workspace's file, then the user's; npm's keys in camel case. */
function pnpmConnection(place: ExecPlace, upstream: string): ClientConnection {
  const files = [
    ...pnpmRoots(place.cwd).map((root) => join(root, 'pnpm-workspace.yaml')),
    ...clientFiles('pnpm', place).flatMap(({ path }) => (path.endsWith('.yaml') ? [path] : [])),
  ]
  const layers = [pnpmVariables(place.env), ...files.map((path) => flat(readText(path)))]
  const value = (...names: string[]): string | undefined => {
    const found = layers.flatMap((layer) => names.map((name) => layer[name])).find(isSaid)
    return found === undefined ? undefined : expandEnvironment(found, place.env)
  }
  const cafile = value('cafile')
  const ca = value('ca')
  const proxy = value('httpsproxy') ?? value('proxy')
  const noproxy = value('noproxy')
  if (
    value('cert', 'certfile', 'key', 'keyfile', 'localaddress') !== undefined ||
    hasOwnAuthority(npmConfigAt(place, 'pnpm'), upstream)
  ) {
    return { settings: {}, obstacle: OWN_TLS }
  }
  if (noproxy !== undefined && (proxy ?? value('httpproxy')) !== undefined) {
    // It would ask the proxy for the gateway: NO_PROXY counts only where nothing else is configured.
    return { settings: {}, obstacle: OWN_TLS }
  }
  return {
    settings: {
      ...entry('strict-ssl', value('strictssl')),
      ...(cafile !== undefined && { ca: '', cafile: resolve(place.cwd, cafile) }),
      ...entry('ca', ca),
      ...entry('https-proxy', proxy),
    },
  }
}

/** Authorities for one registry, which npm has not. */
function hasOwnAuthority(npm: NpmConfig, upstream: string): boolean {
  const { host } = new URL(upstream)
  return [...npm.keys()].some((key) => key.startsWith(`//${host}/`) && /:(?:ca|cafile)$/.test(key))
}

function yarnConnection(place: ExecPlace, hostname: string): ClientConnection {
  const yarn = readYarnConnection(place, hostname)
  if (yarn.isOfHost) return { settings: {}, obstacle: 'it has networkSettings for its registry' }
  if (yarn.hasCertificate) return { settings: {}, obstacle: 'its client certificate is its own' }
  return {
    settings: {
      // npm's are nothing to it.
      ...{ 'strict-ssl': String(yarn.isStrict), ca: '', cafile: yarn.caFile ?? '' },
      // Nor does it know hosts that no proxy is for.
      ...(yarn.httpsProxy !== undefined && { 'https-proxy': yarn.httpsProxy, noproxy: '' }),
    },
  }
}

function bunConnection(place: ExecPlace): ClientConnection {
  const folders = foldersUpwards(place.cwd).map((folder) => join(folder, 'bunfig.toml'))
  for (const path of [...folders, ...clientFiles('bun', place).map((file) => file.path)]) {
    const text = readText(path) ?? ''
    const cafile = /^\s*(?:install\s*\.\s*)?cafile\s*=\s*(["'])([^"'\\\n]+)\1/m.exec(text)?.[2]
    if (
      /^\s*(?:install\s*\.\s*)?ca\s*=/m.test(text) ||
      (cafile === undefined && /\bcafile\s*=/.test(text))
    ) {
      return { settings: {}, obstacle: 'its bunfig.toml holds certificates' }
    }
    if (cafile !== undefined) return { settings: { ca: '', cafile: resolve(place.cwd, cafile) } }
  }
  return AS_NPM
}

/** Deno reads none of npm's settings for this; a file of its own adds to the authorities that it has. */
function denoConnection({ env, cwd }: ExecPlace): ClientConnection {
  const stores = (env.DENO_TLS_CA_STORE ?? '').split(',').map((name) => name.trim())
  const known = stores.filter((name) => name !== '')
  if (!known.every((name) => name === 'mozilla' || name === 'system')) {
    return { settings: {}, obstacle: 'its DENO_TLS_CA_STORE is not understood' }
  }
  const settings = { 'strict-ssl': 'true', cafile: '' }
  const file = env.DENO_CERT
  if (known.length === 0 && !isSaid(file)) return { settings: { ...settings, ca: '' } }
  const bundled = known.length === 0 || known.includes('mozilla') ? rootCertificates : []
  const systems = known.includes('system') ? getCACertificates('system') : []
  const extra = isSaid(file) ? pemIn(resolve(cwd, file)) : []
  if (extra === undefined) return { settings: {}, obstacle: 'its DENO_CERT cannot be read' }
  return { settings: { ...settings, ca: [...bundled, ...systems, ...extra].join('\n') } }
}

function pemIn(path: string): string[] | undefined {
  try {
    return [readFileSync(path, 'utf8')]
  } catch {
    return undefined // the client will say so
  }
}

type Layer = Readonly<Record<string, string | undefined>>

/** `pnpm_config_strict_ssl`, in any case; names as in `flat`. */
function pnpmVariables(env: ExecPlace['env']): Layer {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => {
      const key = /^pnpm_config_(.+)$/i.exec(name)?.[1]
      return key === undefined ? [] : [[key.toLowerCase().replaceAll('_', ''), value]]
    }),
  )
}

/** The values of the top level, by names in small letters without hyphens: pnpm knows some of them in several spellings. */
function flat(text = ''): Layer {
  const document = parseDocument(text, { schema: 'core' })
  const values: unknown = document.errors.length > 0 ? undefined : document.toJS()
  if (typeof values !== 'object' || values === null) return {}
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]: [string, unknown]) => {
      const lines: unknown[] = Array.isArray(value) ? value : [value]
      const isPlain = lines.every((one) => ['string', 'boolean'].includes(typeof one))
      return isPlain ? [[name.toLowerCase().replaceAll('-', ''), lines.join('\n')]] : []
    }),
  )
}

function entry(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value }
}

function isSaid(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}
