/**
 * Which package a request of Yarn's is about: pure, from the URL and the registries that Yarn is configured with. What it
 * does not know is nobody's business here and goes the way it always went.
 */

/** Yarn's registries: each without a trailing slash. */
export interface YarnRegistries {
  /** Every one that packages may come from. */
  readonly urls: readonly string[]
  /** The one that a name belongs to. */
  of(name: string): string
}

export interface PackumentRoute {
  readonly kind: 'packument'
  readonly name: string
  /** One of `YarnRegistries.urls`. */
  readonly registry: string
}

export interface TarballRoute {
  readonly kind: 'tarball'
  readonly name: string
  readonly version: string
  readonly registry: string
  /** Where the metadata says that it is, if that is no usual place. */
  readonly address?: string
}

export type RequestRoute = PackumentRoute | TarballRoute

/** Old names have some odd letters; a part of a path that means another folder is none. */
const NAME = /^(?:@[A-Za-z0-9_.~!'()*-]+\/(?!\.\.?$)|(?!\.))[A-Za-z0-9_.~!'()*-]+$/
const VERSION = /^\d+\.\d+\.\d+[0-9A-Za-z.+-]*$/

/** undefined for what is neither a packument nor a tarball of a registry at its usual place. */
export function routeOf(target: URL, registries: YarnRegistries): RequestRoute | undefined {
  // `?write=true` and the like ask for something else than a copy.
  if (target.search !== '') return undefined
  const whole = target.origin + target.pathname
  for (const registry of registries.urls) {
    if (!whole.startsWith(`${registry}/`)) continue
    const route = routeInside(whole.slice(registry.length + 1), registry)
    // A scope's packages under another registry's address are not the packages of that scope.
    if (route !== undefined && registries.of(route.name) === registry) return route
  }
  return undefined
}

function routeInside(path: string, registry: string): RequestRoute | undefined {
  const segments = decode(path)
  if (segments === undefined) return undefined
  const scoped = segments[0]?.startsWith('@') === true && !segments[0].includes('/')
  const name = segments.slice(0, scoped ? 2 : 1).join('/')
  const rest = segments.slice(scoped ? 2 : 1)
  if (!isPackageName(name)) return undefined
  if (rest.length === 0) return { kind: 'packument', name, registry }
  const version = rest.length === 2 && rest[0] === '-' ? versionIn(name, rest[1] ?? '') : undefined
  return version === undefined ? undefined : { kind: 'tarball', name, version, registry }
}

export function isPackageName(name: string): boolean {
  return NAME.test(name) && name.length <= 214
}

function versionIn(name: string, file: string): string | undefined {
  const start = `${name.slice(name.indexOf('/') + 1)}-`
  if (!file.startsWith(start) || !file.endsWith('.tgz')) return undefined
  const version = file.slice(start.length, -'.tgz'.length)
  return VERSION.test(version) ? version : undefined
}

function decode(path: string): string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return undefined // a stray % in the URL
  }
}

/** Where our gateway has a packument: every client's spelling works there, this is npm's. */
export function packumentPath(name: string): string {
  return name.replace('/', '%2f')
}

/** Where our gateway has a tarball, whatever its file is called upstream. */
export function tarballPath(name: string, version: string): string {
  return `${name}/-/${name.slice(name.indexOf('/') + 1)}-${encodeURIComponent(version)}.tgz`
}

/** The scope with its `@`, in lower case; null: none. */
export function scopeOf(name: string): string | null {
  return name.startsWith('@') ? name.slice(0, name.indexOf('/')).toLowerCase() : null
}
