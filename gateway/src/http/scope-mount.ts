/**
 * A registry of its own for one scope: `/-/catalog/scope/@corp/` is the registry that this gateway has behind it for @corp,
 * and nothing else. Clients keep credentials for that registry there, as npm ties them to a host and a path; credentials for
 * the gateway itself belong to its main upstream (client-credentials.ts). A scope without a registry of its own has nothing
 * there: its names and its tokens are no business of any other registry. Pure.
 */
import { CatalogError } from '@catalog-p2p/core'
import { scopeOf, type Route } from './route.ts'

const MOUNT = /^\/-\/catalog\/scope\/(?:@|%40)([A-Za-z0-9_~!'()*-][A-Za-z0-9_.~!'()*-]*)(\/.*)?$/i

export interface ScopeMount {
  /** With its `@`, in lower case. */
  readonly scope: string
  /** Without a slash at its end, as the client spelled it. */
  readonly path: string
  /** Spelled as we spell it where we name it. */
  readonly isUsual: boolean
  /** What is asked for there: path and query. */
  readonly url: string
}

/** undefined when `url` is not below such a mount. */
export function parseScopeMount(url: string): ScopeMount | undefined {
  const found = MOUNT.exec(url)
  if (found === null) return undefined
  const [whole, name = '', rest = ''] = found
  const path = whole.slice(0, whole.length - rest.length)
  const scope = `@${name.toLowerCase()}`
  const isUsual = path === `/-/catalog/scope/${scope}`
  return { scope, path, isUsual, url: rest === '' ? '/' : rest }
}

/** Whether the URL of a registry that is this gateway is such a mount, of any scope. */
export function isScopeMount({ pathname }: URL): boolean {
  return pathname.toLowerCase().startsWith('/-/catalog/scope/')
}

export function noRegistryOf(scope: string): CatalogError {
  return new CatalogError('NOT_FOUND', `no registry of ${scope} is known to this gateway`, {
    hint: `name it in a file of its own (${scope}:registry=...) and start the daemon with --npmrc FILE`,
  })
}

/**
 * @param scope of the mount that was asked; undefined at the gateway itself, where everything is
 * @throws CatalogError NOT_FOUND for anything that is not of the scope, and for all of it without a registry of its own
 */
export function requireScope(
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
