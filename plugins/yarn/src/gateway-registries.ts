/**
 * Whether the gateway's packages are Yarn's packages. The gateway serves a name from its own registry; a package of the same
 * name in another registry is another package, so the gateway is asked only where both mean the same registry. Pure.
 */
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
  const registry = plain(wanted.registry)
  const isSame = registry === plain(home.url)
  const isAlias = home.isPublicDefault && registry === plain(yarnDefault)
  return isSame || isAlias ? home : undefined
}

// Case and default ports as URL writes them; http and https are different places.
function plain(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { origin, pathname } = new URL(url)
  return origin + pathname.replace(/\/+$/, '')
}
