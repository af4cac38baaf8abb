/**
 * The path that upstream should be asked for. Clients take the path out of a URL in upstream's own metadata (a tarball's to
 * unpublish it, an attestation's to check it) and ask us for that: a registry under a path of its own (`/api/npm/`) would
 * then get it twice.
 */
import type { IncomingMessage } from 'node:http'
import type { Registries } from './registries.ts'
import { isPackageName, parseRoute, type PassthroughRoute } from '../http/route.ts'

const UNPUBLISHED = /\/(@[^/]+(?:\/|%2f))?([^/@][^/]*)\/-\/[^/]+\.tgz\/-rev\/[^/]+$/i
const ATTESTED = /\/-\/npm\/v1\/attestations\/(@[^/]+(?:\/|%2f))?([^/@]+)@[^/]+$/i

/** The route of a call that goes upstream, and its URL put right. */
export function passedRoute(
  req: IncomingMessage,
  given: PassthroughRoute,
  registries: Pick<Registries, 'homeOf'>,
): PassthroughRoute {
  const url = req.url ?? '/'
  const right = withoutRegistryPath(url, (name) => registries.homeOf(name))
  if (right === url) return given
  req.url = right
  const route = parseRoute(req.method ?? 'GET', right)
  return route.route === 'passthrough' ? route : given
}

/** `url` without the path of the registry that the package has; `url` itself when it does not carry it. */
export function withoutRegistryPath(
  url: string,
  registryOf: (name: string) => { readonly url: string },
): string {
  const found = ATTESTED.exec(url) ?? UNPUBLISHED.exec(url)
  if (found === null || found.index === 0) return url
  const [rest, scope = '', bare = ''] = found
  const name = `${scope.replace(/%2f$/i, '/')}${bare}`
  if (!isPackageName(name)) return url
  const { pathname } = new URL(registryOf(name).url)
  return url === `${pathname.slice(0, -1)}${rest}` ? rest : url
}
