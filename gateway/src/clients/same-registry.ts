/**
 * Whether two spellings of a registry mean the same one: with a slash at the end or without, http or https, Yarn's name for
 * the public one. In doubt they differ. Pure.
 */
import { DEFAULT_REGISTRY_HOST, isYarnAlias } from '../upstream/default-registry.ts'
import { redactUrl } from '../http/redact-url.ts'

export function isPublicRegistry(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return url.host === DEFAULT_REGISTRY_HOST || isYarnAlias(url)
}

/** This machine's names for itself, as URLs spell them. */
export function isLoopback(hostname: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}

/** `gateway` under any of this machine's names for itself: only the same port is the same gateway. */
export function isGateway(text: string, gateway: string): boolean {
  if (!URL.canParse(text) || !URL.canParse(gateway)) return false
  const [url, ours] = [new URL(text), new URL(gateway)]
  return (
    url.port === ours.port &&
    (url.hostname === ours.hostname || (isLoopback(url.hostname) && isLoopback(ours.hostname)))
  )
}

/** `upstream` may be as a daemon shows it to strangers, with a mask in place of anything that looks like a secret. */
export function sameRegistry(registry: string, upstream: string): boolean {
  if (!URL.canParse(registry) || !URL.canParse(upstream)) return registry === upstream
  if (isPublicRegistry(registry)) return isPublicRegistry(upstream)
  const key = keyOf(upstream)
  return keyOf(registry) === key || keyOf(redactUrl(registry)) === key
}

/** The port that a protocol has by default is not in `host`. */
function keyOf(text: string): string {
  const { host, pathname } = new URL(text)
  return host + pathname.replace(/\/*$/, '/')
}
