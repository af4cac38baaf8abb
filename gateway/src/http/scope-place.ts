/**
 * A place of its own for one scope: `/-/catalog/scope/@corp/` is the registry that this gateway has behind it for @corp, and
 * nothing else. There a client keeps credentials for that registry, as npm ties them to a host and a path; those for the
 * gateway itself belong to its main upstream (client-credentials.ts). Without a registry of the scope's own the place has
 * nothing: its names and its tokens are no business of any other registry. Pure.
 */
import { CatalogError } from '@catalog-p2p/core'
import { scopeOf, type Route } from './route.ts'

const PLACE = /^\/-\/catalog\/scope\/(?:@|%40)([A-Za-z0-9_~!'()*-][A-Za-z0-9_.~!'()*-]*)(\/.*)?$/i

export interface ScopePlace {
  /** With its `@`, in lower case. */
  readonly scope: string
  /** Without a slash at its end, as the client spelled it. */
  readonly path: string
  /** Spelled as we spell it where we name it. */
  readonly isUsual: boolean
  /** What is asked for there. */
  readonly url: string
}

/** undefined when `url` is not at such a place. */
export function scopePlaceOf(url: string): ScopePlace | undefined {
  const found = PLACE.exec(url)
  if (found === null) return undefined
  const [whole, name = '', rest = ''] = found
  const path = whole.slice(0, whole.length - rest.length)
  const scope = `@${name.toLowerCase()}`
  const isUsual = path === `/-/catalog/scope/${scope}`
  return { scope, path, isUsual, url: rest === '' ? '/' : rest }
}

/** Whether a registry's URL, which is this gateway's, is such a place, whoever's. */
export function isScopePlace({ pathname }: URL): boolean {
  return pathname.toLowerCase().startsWith('/-/catalog/scope/')
}

export function noRegistryOf(scope: string): CatalogError {
  return new CatalogError('NOT_FOUND', `no registry of ${scope} is known to this gateway`, {
    hint: `name it in a file of its own (${scope}:registry=...) and start the daemon with --npmrc FILE`,
  })
}

/** @throws CatalogError NOT_FOUND for what is not of the place's scope, and for all where that has no registry of its own */
export function requireInPlace(
  scope: string | undefined,
  route: Route,
  registries: { all(): readonly { readonly scope: string | null }[] },
): void {
  if (scope === undefined) return
  if (!registries.all().some((registry) => registry.scope === scope)) throw noRegistryOf(scope)
  const name = 'name' in route ? route.name : undefined
  // A package without a scope, and the gateway's own calls, are at the gateway itself.
  const other = name === undefined ? otherScope(route) : (scopeOf(name) ?? name)
  if (other === undefined || other.toLowerCase() === scope) return
  throw new CatalogError('NOT_FOUND', `only packages of ${scope} are at this place`, {
    hint: `ask the gateway itself for others: only ${scope}:registry should name this place`,
  })
}

function otherScope(route: Route): string | undefined {
  if (route.route === 'passthrough') return route.scope
  return route.route === 'ping' || route.route === 'keys' ? undefined : route.route
}
