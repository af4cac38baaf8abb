/**
 * What one request is for, parsed from its method and URL: where the client has its registry here (the mount), whose URLs it
 * must see (the view), which call it is (the route), and the path of that call. A value that nobody changes: `req.url` stays
 * what the client sent. Pure. Says nothing about what the client may see; that is for host-check.ts, browser-guard.ts and
 * scope-mount.ts.
 */
import { remembered } from './remembered.ts'
import { isPackageName, parseRoute, type Route } from './route.ts'
import { parseScopeMount } from './scope-mount.ts'

/**
 * The registry a second time, for npm behind a registry that is not the public one (`catalog exec`). npm is told there to
 * replace the host of tarball URLs by ours and to keep their paths: metadata must show upstream's own URLs, so that the
 * lockfile is the one npm would have written, and requests begin with the path of upstream's registry.
 */
export const UPSTREAM_VIEW = '/-/catalog/as-upstream'

const UPSTREAM_MOUNT = /^(\/-\/catalog\/as-upstream)(?=[/?]|$)/i
const UNPUBLISHED = /\/(@[^/]+(?:\/|%2f))?([^/@][^/]*)\/-\/[^/]+\.tgz\/-rev\/[^/]+$/i
const ATTESTED = /\/-\/npm\/v1\/attestations\/(@[^/]+(?:\/|%2f))?([^/@]+)@[^/]+$/i

export interface RequestTarget {
  readonly method: string
  /** The path of the client's registry at this gateway, as the client spelled it: '' or without a slash at its end. */
  readonly mount: string
  /** The mount is spelled as we spell it where we name it. */
  readonly isUsualMount: boolean
  /** The scope that the mount is for (with its `@`, in lower case): only packages of it, only from its registry. */
  readonly scope: string | undefined
  /** Whose tarball URLs metadata shows. */
  readonly view: 'gateway' | 'upstream'
  readonly route: Route
  /** Path and query below the mount. */
  readonly path: string
}

/** Metadata and tarballs of an install of two thousand packages. */
const MAX_TARGETS = 4_096

export function parseTarget(method: string, url: string): RequestTarget {
  return method === 'GET' ? parseRead(url) : parse(method, url)
}

const parseRead = remembered((url = '') => parse('GET', url), { maxTexts: MAX_TARGETS })

function parse(method: string, url: string): RequestTarget {
  // Nothing else begins like that, and most requests do not.
  const isMounted = url.startsWith('/-/')
  const [mount = ''] = (isMounted && UPSTREAM_MOUNT.exec(url)) || []
  if (mount !== '') {
    const path = rooted(url.slice(mount.length))
    const isUsualMount = mount === UPSTREAM_VIEW
    const route = parseRoute(method, path)
    return { method, mount, isUsualMount, scope: undefined, view: 'upstream', route, path }
  }
  const own = isMounted ? parseScopeMount(url) : undefined
  const path = own?.url ?? url
  return {
    method,
    mount: own?.path ?? '',
    isUsualMount: own?.isUsual ?? true,
    scope: own?.scope,
    view: 'gateway',
    route: parseRoute(method, path),
    path,
  }
}

/**
 * The same target with a path that begins at the root of upstream's registry. Clients take paths out of URLs in upstream's
 * own metadata (a tarball's to unpublish it, an attestation's to check it, every one in the upstream view); a registry below
 * a path of its own (`/api/npm/`) would get that path twice.
 * @param registryOf the registry of a package, or of calls about none; may throw, as Registries.homeOf does
 */
export function withoutRegistryPath(
  target: RequestTarget,
  registryOf: (name: string | undefined) => { readonly url: string },
): RequestTarget {
  const viewed = inUpstreamView(target, registryOf)
  if (viewed.route.route !== 'passthrough') return viewed
  const path = pathAtRegistry(viewed.path, registryOf)
  return path === viewed.path ? viewed : withPath(viewed, path)
}

function inUpstreamView(
  target: RequestTarget,
  registryOf: (name: undefined) => { readonly url: string },
): RequestTarget {
  if (target.view !== 'upstream') return target
  const { pathname } = new URL(registryOf(undefined).url)
  // A package may have the name of the folder that the registry is in.
  if (pathname === '/' || target.route.route === 'tarball') return target
  if (!target.path.startsWith(pathname)) return target
  return withPath(target, target.path.slice(pathname.length - 1))
}

/** `path` without the path of the registry that the package in it has; `path` itself when it does not begin with that. */
function pathAtRegistry(
  path: string,
  registryOf: (name: string) => { readonly url: string },
): string {
  const found = ATTESTED.exec(path) ?? UNPUBLISHED.exec(path)
  if (found === null || found.index === 0) return path
  const [rest, scope = '', bare = ''] = found
  const name = `${scope.replace(/%2f$/i, '/')}${bare}`
  if (!isPackageName(name)) return path
  const { pathname } = new URL(registryOf(name).url)
  return path === `${pathname.slice(0, -1)}${rest}` ? rest : path
}

function withPath(target: RequestTarget, path: string): RequestTarget {
  return { ...target, path, route: parseRoute(target.method, path) }
}

function rooted(rest: string): string {
  return rest.startsWith('/') ? rest : `/${rest}`
}
