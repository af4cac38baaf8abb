/**
 * Whether the gateway's packages are Yarn's packages. The gateway serves a name from its own registry; a package of the same
 * name in another registry is another package, so the gateway is asked only where both mean the same registry. Pure.
 */
import { plainUrl } from './parse-url.ts'
import { scopeOf } from './request-route.ts'

/** As `GET /-/catalog/health` tells them. */
export interface GatewayRegistry {
  /** With its `@`; null: of every package whose scope has none of its own. */
  readonly scope: string | null
  readonly url: string
  readonly isPublicDefault: boolean
}

/** The gateway's registry for a name, if it is the one that Yarn means by `registry`. */
export function sharedRegistry(
  gateway: readonly GatewayRegistry[],
  wanted: { readonly name: string; readonly registry: string },
  /** Yarn's own default, which is another name of npm's public registry. */
  yarnDefault: string,
): GatewayRegistry | undefined {
  const scope = scopeOf(wanted.name)
  const home =
    (scope === null ? undefined : gateway.find((each) => each.scope === scope)) ??
    gateway.find((each) => each.scope === null)
  if (home === undefined) return undefined
  const registry = plainUrl(wanted.registry)
  if (registry === undefined) return undefined
  const isSame = registry === plainUrl(home.url)
  const isAlias = home.isPublicDefault && registry === plainUrl(yarnDefault)
  return isSame || isAlias ? home : undefined
}

/**
 * Whether the daemon, which gets none of our credentials, may be asked about a package that Yarn has credentials for. A
 * company's registry may show each user something else; npm's public one shows a package to everybody or to few, so what
 * the daemon sees of it is what we would see.
 */
export function mayAskWithout(registry: GatewayRegistry, hasCredentials: boolean): boolean {
  return !hasCredentials || registry.isPublicDefault
}
