/**
 * npm's default public registry, as a library knows it: no registry's host name is ever written in this project.
 */
import { defaultUrl } from 'registry-url'

/** The base URL of npm's default public registry, with a trailing slash. */
export const DEFAULT_REGISTRY: string = defaultUrl.endsWith('/') ? defaultUrl : `${defaultUrl}/`

/** Its host, as a tarball URL spells it. */
export const DEFAULT_REGISTRY_HOST: string = new URL(DEFAULT_REGISTRY).host
