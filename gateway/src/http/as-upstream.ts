/**
 * The registry at a second place, for npm behind a registry that is not the public one (`catalog exec`). There npm is told to
 * replace the host of that registry's tarball URLs by ours and keeps their paths: metadata must show upstream's own URLs (so
 * the lockfile is the one that npm would have written), and requests carry upstream's own path in front.
 */
import type { Exchange } from './exchange.ts'
import { parseRoute, type Route } from './route.ts'

/** The path of that place. */
export const AS_UPSTREAM = '/-/catalog/as-upstream'

/** The route of a request there, and its URL, without the path that upstream's registry has. */
export function routeAsUpstream(
  exchange: Exchange,
  given: Route,
  upstream: string | undefined,
): Route {
  const { req } = exchange
  if (!exchange.asUpstream || upstream === undefined) return given
  const { pathname } = new URL(upstream)
  // A package may be called like the folder that the registry is in.
  if (pathname === '/' || given.route === 'tarball') return given
  if (req.url?.startsWith(pathname) !== true) return given
  req.url = req.url.slice(pathname.length - 1)
  return parseRoute(req.method ?? 'GET', req.url)
}
