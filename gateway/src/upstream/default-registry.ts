/**
 * npm's default public registry, as a library knows it: no registry's host name is ever written in this project.
 */
import { defaultUrl } from 'registry-url'

/** The base URL of npm's default public registry, with a trailing slash. */
export const DEFAULT_REGISTRY: string = defaultUrl.endsWith('/') ? defaultUrl : `${defaultUrl}/`

/** Its host, as a tarball URL spells it. */
export const DEFAULT_REGISTRY_HOST: string = new URL(DEFAULT_REGISTRY).host

/**
 * Yarn 1 writes its own alias of the public registry into every lockfile, and Yarn 2 and newer has it as its default; behind it
 * are the same packages. It is called as that one is, in the domain of Yarn's own pages; no other host is taken for it, because
 * what a host of somebody's calls its packages may be private.
 */
const YARN_DOMAIN = 'yarnpkg.com'
const YARN_ALIAS = `${DEFAULT_REGISTRY_HOST.split('.', 1)[0] ?? ''}.${YARN_DOMAIN}`

export function isYarnAlias(url: URL): boolean {
  return url.protocol === 'https:' && url.host === YARN_ALIAS
}
