/**
 * Decides which packages peers may hear of. Public is only what anybody may read here and what came from an uplink without
 * credentials; everything else is private, unless the administrator lists it by name. When in doubt: private. Pure.
 */
import { createHash } from 'node:crypto'
import { createNameMatcher } from './name-pattern.ts'
import { isObject } from './verdaccio.ts'

export interface Privacy {
  /** Whether peers may be asked for, and may get, the package's tarballs of this origin. */
  isPublic(name: string, from: TarballOrigin): boolean
  /** The same for a package of which nothing has been seen yet, as its uplinks would serve it. */
  isProxiedPublic(name: string): boolean
  /** Names of the uplinks that Verdaccio asks for this package. */
  proxiesOf(name: string): readonly string[]
}

export interface TarballOrigin {
  /** False: published here. */
  readonly isProxied: boolean
  /** undefined when Verdaccio has no record of it. */
  readonly uplink: string | undefined
}

export interface PrivacyLists {
  readonly seed: readonly string[]
  readonly private: readonly string[]
  readonly uplinks: readonly string[] | undefined
}

/** Groups that anonymous users belong to. */
const EVERYBODY = new Set(['$all', '@all', '$anonymous', '@anonymous'])
/** Headers that grant no access; any other may be a credential. */
const HARMLESS_HEADER =
  /^(accept(-charset|-encoding|-language)?|cache-control|connection|content-type|pragma|user-agent)$/i
/** Version of the rules in this file: raise it when they make something private that was public. */
const POLICY_VERSION = 1
/** Credentials among `agent_options`. */
const AGENT_CREDENTIALS = ['cert', 'key', 'pfx', 'passphrase', 'auth']

export function createPrivacy(config: unknown, lists: PrivacyLists): Privacy {
  const isSeeded = createNameMatcher(lists.seed)
  const isWithheld = createNameMatcher(lists.private)
  const publicUplinks = new Set(publicUplinksOf(config, lists))
  const specOf = (name: string): unknown => {
    const match = isObject(config) ? config['getMatchedPackagesSpec'] : undefined
    return typeof match === 'function' ? (match.call(config, name) as unknown) : undefined
  }
  const proxiesOf = (name: string): string[] => namesOf(specOf(name), 'proxy')
  const isOpen = (name: string): boolean =>
    namesOf(specOf(name), 'access').some((group) => EVERYBODY.has(group))

  function isFromPublicUplink(name: string, uplink: string | undefined): boolean {
    const candidates = uplink === undefined ? proxiesOf(name) : [uplink]
    return candidates.length > 0 && candidates.every((each) => publicUplinks.has(each))
  }

  return {
    proxiesOf,
    isProxiedPublic: (name) =>
      !isWithheld(name) && isOpen(name) && isFromPublicUplink(name, undefined),
    isPublic(name, { isProxied, uplink }) {
      if (isWithheld(name)) return false
      if (isSeeded(name)) return true
      return isProxied && isOpen(name) && isFromPublicUplink(name, uplink)
    },
  }
}

/** A hash of everything in the configuration that decides who may read what. */
export function policyOf(config: unknown, lists: PrivacyLists): string {
  const packages = entriesOf(isObject(config) ? config['packages'] : undefined)
  const rules = packages.map(([each, spec]) => [
    each,
    namesOf(spec, 'access'),
    namesOf(spec, 'proxy'),
  ])
  const uplinks = publicUplinksOf(config, lists).toSorted()
  const policy = { version: POLICY_VERSION, rules, uplinks, seed: lists.seed, held: lists.private }
  return createHash('sha256').update(JSON.stringify(policy)).digest('hex')
}

function publicUplinksOf(config: unknown, lists: PrivacyLists): string[] {
  return entriesOf(isObject(config) ? config['uplinks'] : undefined)
    .filter(([, uplink]) => !needsCredentials(uplink))
    .map(([name]) => name)
    .filter((name) => lists.uplinks?.includes(name) ?? true)
}

function needsCredentials(uplink: unknown): boolean {
  if (!isObject(uplink)) return true
  const { auth, headers, agent_options: agent, url } = uplink
  if (isGiven(auth)) return true
  if (entriesOf(headers).some(([name]) => !HARMLESS_HEADER.test(name))) return true
  if (isObject(agent) && AGENT_CREDENTIALS.some((each) => isGiven(agent[each]))) return true
  if (typeof url !== 'string' || !URL.canParse(url)) return true
  const { username, password, search } = new URL(url)
  return username !== '' || password !== '' || search !== ''
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false
}

function namesOf(spec: unknown, field: string): string[] {
  const value = isObject(spec) ? spec[field] : undefined
  if (typeof value === 'string') return value.split(/\s+/).filter(Boolean)
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}
