/**
 * What Yarn 2 and newer is configured with: every .yarnrc.yml from the project upwards, then the user's; the nearest one to
 * name a setting wins. Only what decides where its requests go. https://yarnpkg.com/configuration/yarnrc
 */
import { join } from 'node:path'
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

type Values = Readonly<Record<string, unknown>>

export function readYarnSettings(place: ClientPlace & { cwd: string }): YarnSettings {
  const { cwd, home, env } = place
  const name = env.YARN_RC_FILENAME ?? '.yarnrc.yml'
  const files = [...new Set([...foldersUpwards(cwd), home])].map((folder) => join(folder, name))
  const layers = files.map((path) => parse(readText(path)))
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
