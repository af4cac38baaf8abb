/**
 * Which registry call a request is: pure, from method and URL alone. Accepts both spellings of a scoped name (`@s/n` and
 * `@s%2fn`), as clients differ. Never decodes anything into a path of ours: names are checked against npm's rules first.
 */
import { buildRoute, type BuildRoute } from './build-route.ts'

export const ROUTE_NAMES = [
  'packument',
  'tarball',
  'dist-tags',
  'ping',
  'keys',
  'passthrough',
  'health',
  'ready',
  'status',
  'metrics',
  'peers',
  'prefetch',
  'hints',
  'changed',
  'store',
  'search',
  'guard',
  'asset',
  'publish',
  'share',
  'bridges',
  'shared',
  'login',
  'ui',
  'events',
  'explain',
  'builds',
  'build-token',
  'invalid',
] as const

export type RouteName = (typeof ROUTE_NAMES)[number]

export interface TarballRoute {
  readonly route: 'tarball'
  readonly name: string
  /** File name as the client asked for it, decoded. */
  readonly file: string
  /** From the file name; undefined when that does not follow npm's pattern. */
  readonly version: string | undefined
}

/** A tarball by its hash alone: what it is called says nothing about what it is. */
export interface SharedRoute {
  readonly route: 'shared'
  /** Of the artifact, in base64url. */
  readonly hash: string
  readonly tarball: TarballRoute
}

/** A login in a browser: the page, or what the client asks meanwhile. */
export interface LoginRoute {
  readonly route: 'login'
  readonly code: string
  readonly isDone: boolean
}

/** The package, or else the scope, in the path decides which upstream gets it. */
export interface PassthroughRoute {
  readonly route: 'passthrough'
  readonly name: string | undefined
  /** With its `@`. */
  readonly scope?: string
}

export type Route =
  | { readonly route: 'packument'; readonly name: string }
  | TarballRoute
  | { readonly route: 'dist-tags'; readonly name: string }
  | { readonly route: 'ping' | 'keys' }
  | PassthroughRoute
  | { readonly route: 'ready' }
  | { readonly route: 'health' | 'status' | 'metrics' | 'peers' }
  | { readonly route: 'prefetch' | 'publish' | 'build-token' }
  | { readonly route: 'hints' | 'changed' | 'search' | 'events' | 'explain' }
  | { readonly route: 'ui'; readonly file: string | undefined }
  | { readonly route: 'store' | 'guard' | 'asset' | 'share' | 'bridges'; readonly action: string }
  | SharedRoute
  | BuildRoute
  | LoginRoute
  | { readonly route: 'invalid'; readonly reason: string }

const MAX_URL = 4096
// Old packages have capitals and odd characters; a dot or hyphen in front would clash with our own routes.
const NAME_PART = /^[A-Za-z0-9_~!'()*][A-Za-z0-9_.~!'()*-]*$/
/** Nothing to decode, nothing that climbs: nearly every path of an install. */
const PLAIN = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.@~+-]*)+$/
/** 64 bytes in base64url, in the one way to write them. */
const SHA512 = /^[\w-]{85}[AQgw]$/
const SCOPE = /^@[A-Za-z0-9_.~!'()*-]+$/

/** The route of a request. */
export function parseRoute(method: string, url: string): Route {
  if (url.length > MAX_URL) return invalid('the URL is too long')
  const query = url.indexOf('?')
  const segments = decodeSegments(query === -1 ? url : url.slice(0, query))
  if (segments === undefined) return invalid('the URL is not well-formed')
  if (isAmbiguous(url, segments)) return invalid('the URL may be read in more than one way')
  if (segments[0] === '-') return dashRoute(method, segments)
  const read = method === 'GET' || method === 'HEAD'
  const { name, rest } = takeName(segments)
  if (name === undefined) return { route: 'passthrough', name: undefined, ...scopeIn(segments) }
  // `?write=true`: the client is about to change the document, so no cache may answer.
  if (rest.length === 0 && read && !isWrite(url, query)) return { route: 'packument', name }
  if (rest.length === 2 && rest[0] === '-' && read) return tarballRoute(name, rest[1] ?? '')
  return { route: 'passthrough', name }
}

function dashRoute(method: string, segments: readonly string[]): Route {
  if (segments[1] === 'catalog') return catalogRoute(method, segments)
  if (segments[1] === 'ping' && segments.length === 2) return { route: 'ping' }
  if (isKeys(method, segments)) return { route: 'keys' }
  if (segments[1] === 'package') {
    const { name, rest } = takeName(segments.slice(2))
    const tags = rest.length === 1 && rest[0] === 'dist-tags'
    if (name !== undefined && tags && (method === 'GET' || method === 'HEAD')) {
      return { route: 'dist-tags', name }
    }
    return { route: 'passthrough', name }
  }
  return passthroughRoute(segments)
}

/** `/-/stage/package/NAME`, `/-/npm/v1/oidc/token/exchange/package/NAME`, `/-/npm/v1/attestations/NAME@VERSION`, `/-/team/SCOPE/…` */
function passthroughRoute(segments: readonly string[]): PassthroughRoute {
  if (segments[1] === 'team' || segments[1] === 'org') {
    const scope = `@${(segments[2] ?? '').replace(/^@/, '')}`
    return { route: 'passthrough', name: undefined, ...(SCOPE.test(scope) && { scope }) }
  }
  const path = segments.slice(1).join('/')
  const named = /^(?:stage|npm\/v1\/oidc\/token\/exchange)\/package\/(.+)$/.exec(path)?.[1]
  const attested = /^npm\/v1\/attestations\/(.[^]*?)(?:@[^@]*)?$/.exec(path)?.[1]
  const name = named ?? attested ?? ''
  return { route: 'passthrough', name: isPackageName(name) ? name : undefined }
}

function isKeys(method: string, segments: readonly string[]): boolean {
  const read = method === 'GET' || method === 'HEAD'
  return read && segments.length === 4 && segments.slice(1).join('/') === 'npm/v1/keys'
}

function catalogRoute(method: string, segments: readonly string[]): Route {
  const [, , action, sub] = segments
  switch (action) {
    case 'health':
    case 'ready':
    case 'status':
    case 'metrics':
    case 'peers':
    case 'prefetch':
    case 'publish':
    case 'build-token':
    case 'hints':
    case 'changed':
    case 'search':
    case 'events':
    case 'explain':
      if (segments.length === 3) return { route: action }
      break
    case 'store':
    case 'guard':
    case 'asset':
    case 'bridges':
      if (segments.length === 4 && sub !== undefined) return { route: action, action: sub }
      break
    case 'share': {
      if (sub === undefined || segments.length < 4) break
      if (segments.length === 4) return { route: 'share', action: sub }
      return sharedRoute(method, sub, segments.slice(4))
    }
    case 'builds': {
      const found = buildRoute(method, segments.slice(3))
      if (found !== undefined) return found
      break
    }
    case 'login':
      if (segments.length === 4 && sub !== undefined) return loginRoute(sub, false)
      if (segments.length === 5 && sub === 'done') return loginRoute(segments[4], true)
      break
    case 'ui':
      if (segments.length <= 4) return { route: 'ui', file: sub }
      break
    case undefined:
    default:
  }
  return invalid('no such catalog route')
}

function loginRoute(code = '', isDone: boolean): Route {
  return { route: 'login', code, isDone }
}

/** `/-/catalog/share/HASH/NAME/-/FILE`: behind the hash a tarball's path as at a registry. */
function sharedRoute(method: string, hash: string, path: readonly string[]): Route {
  const { name, rest } = takeName(path)
  const isTarball = name !== undefined && rest.length === 2 && rest[0] === '-'
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isTarball || !isRead || !SHA512.test(hash)) return invalid('no such shared package')
  const tarball = tarballRoute(name, rest[1] ?? '')
  return tarball.route === 'invalid' ? tarball : { route: 'shared', hash, tarball }
}

function tarballRoute(
  name: string,
  file: string,
): TarballRoute | Extract<Route, { route: 'invalid' }> {
  if (!/^[^\\/\0]+$/.test(file)) return invalid('not a tarball name')
  return { route: 'tarball', name, file, version: versionOf(name, file) }
}

/** The version in a tarball's file name. Old packages' files differ from the name in case, so case is ignored. */
function versionOf(name: string, file: string): string | undefined {
  const base = name.slice(name.indexOf('/') + 1)
  if (!file.endsWith('.tgz')) return undefined
  if (file.slice(0, base.length + 1).toLowerCase() !== `${base.toLowerCase()}-`) return undefined
  const version = file.slice(base.length + 1, -'.tgz'.length)
  return isVersion(version) ? version : undefined
}

/** What is no package's name may be one to a registry, and then it is of this scope. */
function scopeIn([first = '']: readonly string[]): { scope?: string } {
  const scope = first.split('/', 1)[0] ?? ''
  return SCOPE.test(scope) ? { scope } : {}
}

function takeName(segments: readonly string[]): { name: string | undefined; rest: string[] } {
  const [first = '', second] = segments
  if (first.startsWith('@') && !first.includes('/')) {
    const name = `${first}/${second ?? ''}`
    if (second !== undefined && isPackageName(name)) return { name, rest: segments.slice(2) }
  } else if (isPackageName(first)) {
    return { name: first, rest: segments.slice(1) }
  }
  return { name: undefined, rest: [...segments] }
}

/** True for a name that npm could hold, old ones included. */
export function isPackageName(name: string): boolean {
  if (name.length === 0 || name.length > 214) return false
  const slash = name.indexOf('/')
  if (!name.startsWith('@')) return NAME_PART.test(name)
  return slash > 1 && SCOPE.test(name.slice(0, slash)) && NAME_PART.test(name.slice(slash + 1))
}

/** True for what may stand as a version in a file name or an index line. */
export function isVersion(version: string): boolean {
  return version.length <= 256 && /^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/.test(version)
}

/** The scope of a name with its `@`, if it has one. */
export function scopeOf(name: string): string | undefined {
  const end = name.startsWith('@') ? name.indexOf('/') : -1
  return end === -1 ? undefined : name.slice(0, end)
}

function decodeSegments(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined
  if (PLAIN.test(path)) {
    const segments = path.slice(1).split('/')
    if (segments.at(-1) === '') segments.pop()
    return segments
  }
  try {
    const segments = path.split('/').slice(1).map(decodeURIComponent)
    if (segments.at(-1) === '') segments.pop()
    return segments.some(climbs) ? undefined : segments
  } catch {
    return undefined // a stray % in the URL
  }
}

/**
 * Paths that URL parsers and upstreams read differently than we do: `\` becomes `/`, a `#` ends the path, an empty first
 * segment is dropped, an encoded slash becomes a slash. `//-/whoami` would be another call upstream than its route here.
 */
function isAmbiguous(url: string, segments: readonly string[]): boolean {
  const [first] = segments
  if (first === undefined) return false
  return /^[^?]*\\|#/.test(url) || first === '' || (first.includes('/') && !first.startsWith('@'))
}

// Also behind an encoded slash: a path must never leave the prefix that an upstream's credentials belong to.
function climbs(segment: string): boolean {
  return segment.split(/[\\/]/).some((part) => part === '.' || part === '..')
}

function isWrite(url: string, query: number): boolean {
  return query !== -1 && new URLSearchParams(url.slice(query + 1)).get('write') === 'true'
}

function invalid(reason: string): Extract<Route, { route: 'invalid' }> {
  return { route: 'invalid', reason }
}
