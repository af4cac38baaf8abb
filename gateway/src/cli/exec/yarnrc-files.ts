/**
 * What Yarn 2 and newer is configured with: every .yarnrc.yml from the project upwards, then the user's; the nearest one to
 * name a setting wins. Only what decides where its requests go. https://yarnpkg.com/configuration/yarnrc
 */
import { dirname, join, posix, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { foldersUpwards, readText } from './project-files.ts'
import type { ClientPlace } from '../clients/client-files.ts'

export interface YarnSettings {
  readonly registry: string | undefined
  /** Hosts that may be asked without TLS, as configured. */
  readonly unsafeHosts: readonly string[]
  /** All its requests go through a proxy, this machine's own too. */
  readonly hasHttpProxy: boolean
  /** Credentials tied to a registry, in npm's spelling: `//host/:_authToken`. */
  readonly credentials: Readonly<Record<string, string>>
  /** Others, for whatever registry it has. */
  readonly hasLooseCredentials: boolean
}

/** How it connects to one host over TLS; nothing of npm's is known to it. */
export interface YarnConnection {
  readonly isStrict: boolean
  readonly caFile: string | undefined
  readonly httpsProxy: string | undefined
  readonly hasCertificate: boolean
  /** Some of that is for this host, and for the gateway's perhaps, and not for others. */
  readonly isOfHost: boolean
}

type YarnPlace = ClientPlace & { readonly cwd: string }
type Values = Readonly<Record<string, unknown>>

const CERTIFICATE = ['httpsCertFilePath', 'httpsKeyFilePath']
const OF_A_HOST = ['httpsCaFilePath', 'httpsProxy', 'httpProxy', ...CERTIFICATE]

export function readYarnConnection(place: YarnPlace, hostname: string): YarnConnection {
  const { cwd, env } = place
  const layers = readLayers(place)
  const text = (key: string): string | undefined => {
    const variable = `YARN_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`
    return (
      nonEmpty(env[variable]) ?? layers.map(({ values }) => said(values[key], env)).find(Boolean)
    )
  }
  const caAt = layers.find(({ values }) => said(values.httpsCaFilePath, env) !== undefined)
  const caFrom = nonEmpty(env.YARN_HTTPS_CA_FILE_PATH) === undefined ? caAt?.folder : cwd
  const caFile = text('httpsCaFilePath')
  return {
    isStrict: !['false', '0'].includes(text('enableStrictSsl') ?? ''),
    caFile: caFile && resolve(caFrom ?? cwd, caFile),
    httpsProxy: text('httpsProxy'),
    hasCertificate: CERTIFICATE.some((key) => text(key) !== undefined),
    isOfHost: layers.some(({ values }) => namesHost(values.networkSettings, hostname)),
  }
}

function namesHost(settings: unknown, hostname: string): boolean {
  return Object.entries(isRecord(settings) ? settings : {}).some(
    ([pattern, values]) =>
      [hostname, '127.0.0.1'].some((host) => posix.matchesGlob(host, pattern)) &&
      isRecord(values) &&
      OF_A_HOST.some((key) => Boolean(values[key])),
  )
}

function said(value: unknown, env: ClientPlace['env']): string | undefined {
  return expand(typeof value === 'boolean' ? String(value) : value, env)
}

/** The nearest first. */
function readLayers({ cwd, home, env }: YarnPlace): { folder: string; values: Values }[] {
  const name = env.YARN_RC_FILENAME ?? '.yarnrc.yml'
  const files = [...new Set([...foldersUpwards(cwd), home])].map((folder) => join(folder, name))
  return files.map((path) => ({ folder: dirname(path), values: parse(readText(path)) }))
}

export function readYarnSettings(place: YarnPlace): YarnSettings {
  const { env } = place
  const layers = readLayers(place).map(({ values }) => values)
  const first = (key: string): unknown =>
    layers.map((layer) => layer[key]).find((value) => value !== undefined && value !== null)
  const text = (key: string): string | undefined => expand(first(key), env)
  const lists = layers.flatMap((layer) => listOf(layer.unsafeHttpWhitelist))
  const fromEnv = (env.YARN_UNSAFE_HTTP_WHITELIST ?? '').split(',')
  return {
    registry: nonEmpty(env.YARN_NPM_REGISTRY_SERVER) ?? text('npmRegistryServer'),
    unsafeHosts: [...new Set([...fromEnv, ...lists].map((one) => one.trim()))].filter(Boolean),
    hasHttpProxy: nonEmpty(env.YARN_HTTP_PROXY) !== undefined || text('httpProxy') !== undefined,
    credentials: Object.assign(
      {},
      ...layers.toReversed().map((layer) => credentialsIn(layer.npmRegistries, env)),
    ) as Record<string, string>,
    hasLooseCredentials:
      SECRETS.some((key) => text(key) !== undefined) ||
      layers.flatMap(({ npmScopes }) => recordsIn(npmScopes)).some(isLoose),
  }
}

const SECRETS = ['npmAuthToken', 'npmAuthIdent']

function recordsIn(map: unknown): Values[] {
  return Object.values(isRecord(map) ? map : {}).filter(isRecord)
}

/** A scope's that is in no registry of its own: it is sent to whatever registry Yarn has. */
function isLoose(scope: Values): boolean {
  return !scope.npmRegistryServer && SECRETS.some((key) => Boolean(scope[key]))
}

function parse(text: string | undefined): Values {
  if (text === undefined) return {}
  const document = parseDocument(text, { schema: 'core' })
  const values: unknown = document.errors.length > 0 ? undefined : document.toJS()
  return isRecord(values) ? values : {}
}

function credentialsIn(registries: unknown, env: ClientPlace['env']): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [key, settings] of Object.entries(isRecord(registries) ? registries : {})) {
    if (!isRecord(settings)) continue
    const prefix = key.replace(/^https?:/, '').replace(/\/?$/, '/')
    const token = expand(settings.npmAuthToken, env)
    const ident = expand(settings.npmAuthIdent, env)
    if (token !== undefined) found[`${prefix}:_authToken`] = token
    else if (ident !== undefined) found[`${prefix}:_auth`] = basic(ident)
  }
  return found
}

/** `user:password`, or that in base64 already. */
function basic(ident: string): string {
  return ident.includes(':') ? Buffer.from(ident).toString('base64') : ident
}

/** Yarn's `${NAME}`, `${NAME-else}` and `${NAME:-else}`. */
function expand(value: unknown, env: ClientPlace['env']): string | undefined {
  if (typeof value !== 'string') return undefined
  const text = value.replace(
    /\$\{(\w+)(?:(:?)-([^}]*))?\}/g,
    (_, name: string, colon: string | undefined, other: string | undefined) => {
      const found = env[name]
      const counts = found !== undefined && (found !== '' || colon !== ':')
      return counts ? found : (other ?? '')
    },
  )
  return nonEmpty(text)
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

function isRecord(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}
