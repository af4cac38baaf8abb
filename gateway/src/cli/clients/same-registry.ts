/**
 * Whether two clients' words for a registry mean the same one: with a slash at the end or without, http or https, Yarn's name
 * for the public one. In doubt they differ. Pure.
 */
import { DEFAULT_REGISTRY_HOST, isYarnAlias } from '../../upstream/default-registry.ts'
import { redactUrl } from '../../http/redact-url.ts'

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

export function isPublicRegistry(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return url.host === DEFAULT_REGISTRY_HOST || isYarnAlias(url)
}

/** `gateway` under any of this machine's names for itself. */
export function isGateway(text: string, gateway: string): boolean {
  if (!URL.canParse(text)) return false
  const [url, ours] = [new URL(text), new URL(gateway)]
  const isLocal = (host: string): boolean => LOOPBACK.includes(host)
  return (
    url.port === ours.port &&
    (url.hostname === ours.hostname || (isLocal(url.hostname) && isLocal(ours.hostname)))
  )
}

/** `upstream` may be as a daemon shows it to whom it does not know, with what looks like a secret masked. */
export function sameRegistry(registry: string, upstream: string): boolean {
  if (!URL.canParse(registry) || !URL.canParse(upstream)) return registry === upstream
  if (isPublicRegistry(registry)) return isPublicRegistry(upstream)
  const key = keyOf(upstream)
  return keyOf(registry) === key || keyOf(redactUrl(registry)) === key
}

/** Ports that a protocol has by itself are not in `host`. */
function keyOf(text: string): string {
  const { host, pathname } = new URL(text)
  return host + pathname.replace(/\/*$/, '/')
}
